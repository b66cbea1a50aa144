"""A service URL has exactly one reading, or it is refused."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.applications.urls import parse_url
from idp.cas.urls import SAML_TICKET, same_service, with_parameters, with_ticket, without_ticket
from idp.errors import InvalidServiceUrl

USOSWEB = "https://usosweb.example/kontroler.php?_action=logowaniecas/index&callback=aHR0cHM6Ly8%3D0123"


def test_a_url_is_taken_apart() -> None:
    url = parse_url(USOSWEB)

    assert (url.scheme, url.host, url.port, url.path) == ("https", "usosweb.example", 443, "/kontroler.php")
    assert dict(url.query)["_action"] == "logowaniecas/index"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("http://127.0.0.1:8081", "/"),
        ("http://127.0.0.1:8081?x=1", "/"),
        ("HTTP://LocalHost:8081/a", "/a"),
        ("http://[::1]:80/a", "/a"),
        ("https://a.example/app;jsessionid=0A1B", "/app"),
        ("https://a.example/app;jsessionid=0A1B.node-1!7", "/app"),
        ("https://a.example/app;jsessionid=0000A1B:node", "/app"),
        ("https://a.example/%C5%BCaba/x%20y", "/%C5%BCaba/x%20y"),
        ("https://a.example/żaba?b=ż#ż", "/%C5%BCaba"),
        ("https://a.example/a%2Fb", "/a%2Fb"),
        ("https://a.example/to/https:%2F%2Fb.example", "/to/https:%2F%2Fb.example"),
    ],
)
def test_plain_addresses_are_read(text: str, path: str) -> None:
    assert parse_url(text).path == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/app",
        "//127.0.0.1/app",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://127.0.0.1/",
        "http:127.0.0.1",
        "http:/127.0.0.1/",
        "http:///127.0.0.1/",
        "http://",
        "http://127.0.0.1@evil.example/",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1\\.evil.example/",
        "http://127.0.0.1:80:80/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:８０/",
        "http://127.0.0.1%2eevil.example/",
        "http://127.0.0.1%00.evil.example/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://.127.0.0.1/",
        "http://a..example/",
        "http://loc\u0430lhost/",
        "http://１２７.0.0.1/",
        "http://[::1/",
        "http://[1.2.3.4]/",
        "http://[::1]evil/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\tb",
        "http://127.0.0.1/a\r\nSet-Cookie: x=1",
        "http://127.0.0.1/%0d%0aSet-Cookie:x",
        "http://127.0.0.1/?x=%0D%0A",
        "http://127.0.0.1/?x=%00",
        "http://127.0.0.1/%zz",
        "http://127.0.0.1/%",
        "http://127.0.0.1//evil.example/",
        "http://127.0.0.1/a/../b",
        "http://127.0.0.1/..;/b",
        "http://127.0.0.1/%2e%2e/b",
        "http://127.0.0.1/%2fevil.example",
        "http://127.0.0.1/a%2f..",
        "http://127.0.0.1/a%2F.%2Fb",
        "http://127.0.0.1/a%2f%2e%2e/b",
        "http://127.0.0.1/a\uff0fb",
        "http://127.0.0.1/a\u2024\u2024/b",
        "http://127.0.0.1/?x=\u00a0",
        "http://127.0.0.1/?x=\u0085",
        "http://127.0.0.1/?x=\udc80",
        "http://127.0.0.1/?x=\ufe64script\ufe65",
        "http://127.0.0.1/a%5cb",
        "http://127.0.0.1/%252e%252e/",
        "http://127.0.0.1/app/..%3b/evil",
        "http://127.0.0.1/app/x;jsessionid=%2f..%2f..%2fevil",
        "http://127.0.0.1/app/x;jsessionid=%5cevil",
        "http://127.0.0.1/app/x;jsessionid=%2e%2e",
        "http://127.0.0.1/app/x;jsessionid=%252f",
        "http://127.0.0.1/;jsessionid=1/evil.example/",
        'http://127.0.0.1/"><script>',
        " http://127.0.0.1/",
        "http://127.0.0.1/\n",
        "http://127.0.0.1/\u202e",
        "http://127.0.0.1/" + "a" * 2048,
    ],
)
def test_tricks_are_refused(text: str) -> None:
    with pytest.raises(InvalidServiceUrl):
        parse_url(text)


PIECES = (
    *("http", "https", "javascript", ":", "/", "//", "\\", "@", "#", "?", "&", "%", "%2f", "%5c", "%0d%0a", "%00"),
    *(
        ".",
        "..",
        ";",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "localhost",
        "evil.example",
        "xn--evil",
        ":80",
        ":0",
        "ticket=",
        "a",
    ),
    *("\t", "\r\n", " ", "\u3002", "\uff0f"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
def test_what_is_accepted_is_read_alike_by_another_parser(text: str) -> None:
    try:
        url = parse_url("http://127.0.0.1" + text)
    except InvalidServiceUrl:
        return
    other = urlsplit(url.text)
    assert (other.scheme, other.hostname) == (url.scheme, url.host)
    assert other.username is None
    assert (other.port or 80) == url.port
    assert url.text.isprintable()
    assert with_ticket(url.text, "ST-1").isascii()
    assert urlsplit(with_ticket(url.text, "ST-1")).netloc == other.netloc


@pytest.mark.parametrize(
    ("service", "led_to"),
    [
        ("https://a/b", "https://a/b?ticket=ST-1"),
        ("https://a", "https://a?ticket=ST-1"),
        ("https://a/b?", "https://a/b?ticket=ST-1"),
        ("https://a/b?c=d", "https://a/b?c=d&ticket=ST-1"),
        ("https://a/b?c=d&", "https://a/b?c=d&ticket=ST-1"),
        ("https://a/b?c=%3a%2F%252f", "https://a/b?c=%3a%2F%252f&ticket=ST-1"),
        ("https://a/b?c=d#e?f", "https://a/b?c=d&ticket=ST-1#e?f"),
        ("https://a/b#e", "https://a/b?ticket=ST-1#e"),
        ("https://a/#/inbox", "https://a/?ticket=ST-1#/inbox"),
        ("https://a/ż?b=ż%C5%BC#ż", "https://a/%C5%BC?b=%C5%BC%C5%BC&ticket=ST-1#%C5%BC"),
        ("https://a/b?ticket=ST-old&c=d", "https://a/b?c=d&ticket=ST-1"),
        ("https://a/b?ticket=ST-old", "https://a/b?ticket=ST-1"),
        (USOSWEB, USOSWEB + "&ticket=ST-1"),
    ],
)
def test_the_ticket_is_appended_correctly_and_other_bytes_stay(service: str, led_to: str) -> None:
    assert with_ticket(service, "ST-1") == led_to


def test_a_ticket_may_have_the_name_that_saml_clients_expect() -> None:
    assert with_ticket("https://a/b?SAMLart=ST-old&c=d", "ST-1", SAML_TICKET) == "https://a/b?c=d&SAMLart=ST-1"


def test_only_parameters_named_ticket_are_taken_out() -> None:
    assert without_ticket("https://a/b?myticket=1&ticket=2&ticketx=3") == "https://a/b?myticket=1&ticketx=3"


def test_added_parameters_are_encoded() -> None:
    assert with_parameters("https://a/b?c", {"pgtId": "PGT-1", "x": "a&b"}) == "https://a/b?c&pgtId=PGT-1&x=a%26b"


@pytest.mark.parametrize(
    ("bound", "given_", "same"),
    [
        ("https://a/app", "https://a/app", True),
        ("https://a/app", "https://a/app;jsessionid=0A", True),
        ("https://a/app?x=1", "https://a/app;jsessionid=0A?x=1", True),
        ("https://a/app?ticket=ST-old", "https://a/app", True),
        ("https://a/app#/inbox", "https://a/app", True),
        ("https://a/app?b=ż", "https://a/app?b=%C5%BC", True),
        ("https://a/app?b=ż", "https://a/app?b=z", False),
        ("https://a/app", "https://a/App", False),
        ("https://a/app", "https://a/app/", False),
        ("https://a/app?x=%2f", "https://a/app?x=%2F", False),
        ("https://a/app", "https://b/app", False),
        ("https://a/app", "", False),
    ],
)
def test_a_ticket_is_bound_to_the_exact_text(bound: str, given_: str, same: bool) -> None:
    assert same_service(bound, given_) is same
