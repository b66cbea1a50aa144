"""Service URLs that try to lead a browser elsewhere: made from a grammar of tricks and positions, judged by rule.

A service URL is followed only if an ordinary reader of URLs (the standard library's, which is not ours) and the text
itself agree that it is below the registered address. Whatever else comes gets no ticket, no redirect and no 5xx.
"""

import re
from urllib.parse import quote, unquote, urlsplit

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.sign_on import Browser, SignOn

ASCII = "".join(map(chr, range(128)))
SCHEME, HOST, PREFIX = "https", "fees.example", "/app"
REGISTRATION = """id = "fees"
name = { pl = "Opłaty", en = "Fees" }
owner = "tests"
url = [{ host = "fees.example", path_prefix = "/app" }]
"""
GOOD = ("https", "://", "", "fees.example", "", "/app", "/page", "?next=%2Fa", "")
PARTS = len(GOOD)

WHOLE = ["javascript:alert(1)", "data:text/html,x", "//evil.example/app", "/app", "", "https:", "HTTPS://fees.example"]
SCHEMES = ["http", "HTTPS", "javascript", "ftp", "https:https", "", "htt\tps", "\u017fhttps", "view-source:https"]
MARKS = ["//", ":/", ":\\\\", ":///", ":", "://\\", "%3a//", "://@", ":/\t/"]
USERS = ["user@", "evil.example@", "a:b@", "fees.example%40", "evil.example\\@", "evil.example#@", "evil.example?@"]
HOSTS = [
    "evil.example",
    "fees.example.evil.example",
    "fees.example.",
    "FEES.EXAMPLE",
    "fees\u3002example",
    "f\u0435es.example",  # a Cyrillic letter
    "xn--fes-9oc.example",
    "fees.example%00.evil.example",
    "fees.example%2eevil.example",
    "[fees.example]",
    "127.1",
    "0x7f000001",
    "fees.example\\.evil.example",
    "fees.example/.evil.example",
    "",
]
PORTS = [":444", ":0", ":99999", ":", ":443:443", ":44 3", ":\uff14\uff14\uff13", ":evil"]
PATHS = ["/application", "/", "", "/App", "/app%2f", "//app", "/x/../app", "/%61pp", "/app\\"]
BELOW = [
    "/../x",
    "/..;/x",
    "/%2e%2e/x",
    "/.%2e/x",
    "/%252e%252e/x",
    "//evil.example",
    "/\\evil.example",
    "/;jsessionid=1/../x",
    ";jsessionid=%2f..%2f..%2fevil",
    "/x;jsessionid=%5c%2e%2e",
    "/..%3b/evil",
    "/./..",
    "%2f..",
    "..",
]
QUERIES = [
    "?b=\u017c",
    "?b=\uff0f",
    "?a\r\nSet-Cookie: x",
    "?%0d%0aX: y",
    "?a\x00",
    "?a\u2028b",
    "?a b",
    '?"><script>',
    "?ticket=ST-1",
    "??",
    "?%",
]
FRAGMENTS = ["#", "#@evil.example", "#/evil", "\r\nLocation: https://evil.example", "\t", " ", "\x7f", "%zz", "%00"]
TRICKS = [SCHEMES, MARKS, USERS, HOSTS, PORTS, PATHS, BELOW, QUERIES, FRAGMENTS]

ENCODED = st.sampled_from(["", "once", "twice", "upper", "space before", "space after"])


@st.composite
def service_urls(draw: st.DrawFn) -> str:
    """One to three tricks, each in its place, then perhaps the whole in another dress."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(WHOLE))
    parts = list(GOOD)
    for place in draw(st.lists(st.integers(0, PARTS - 1), min_size=1, max_size=3, unique=True)):
        trick = draw(st.sampled_from(TRICKS[place]))
        parts[place] = trick if draw(st.booleans()) or place in (0, 1, 3) else parts[place] + trick
    return _dressed("".join(parts), draw(ENCODED))


def _dressed(text: str, dress: str) -> str:
    match dress:
        case "once":
            return text.replace("/", "%2F")
        case "twice":
            return text.replace(":", "%253A")
        case "upper":
            return text.upper()
        case "space before":
            return " " + text
        case "space after":
            return text + "\u00a0"
    return text


def may_be_followed(text: str) -> bool:
    """The rule: read by another reader, the text is plain and below the registered address, however decoded."""
    if not text.isprintable() or re.search(r'[\s\\"<>`]|%(?![0-9A-Fa-f]{2})', text):
        return False
    if re.search(r"%(?:[01][0-9a-f]|7f)", text, re.IGNORECASE):
        return False
    try:
        read = urlsplit(text)
        port = read.port
    except ValueError:
        return False
    if (read.scheme, (read.hostname or ""), port or 443) != (SCHEME, HOST, 443) or "@" in read.netloc:
        return False
    steps = [step.partition(";")[0] for step in unquote(unquote(read.path)).split("/")[1:]]
    plain = "//" not in read.path and not {".", ".."} & set(steps)
    return plain and (read.path == PREFIX or read.path.startswith(PREFIX + "/"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(url=service_urls())
@example(url=f"{SCHEME}://{HOST}{PREFIX}/page?next=%2Fa#")
def test_no_hostile_address_gets_a_ticket_or_a_redirect(sign_on: SignOn, signed_in: Browser, url: str) -> None:
    sign_on.register("fees", REGISTRATION)
    outsider = sign_on.browser()
    answers = [
        (signed_in if is_known else outsider).client.get(path, query_string={"service": url, "gateway": "true"})
        for path in ("/cas/login", "/cas/logout")
        for is_known in (path == "/cas/login", False)
    ]

    for answer in answers:
        location = answer.headers.get("Location")
        assert answer.status_code < 500
        assert (answer.status_code == 303) == (location is not None)
        if location is not None:
            assert may_be_followed(url), url
            # What is followed is the very text, with the ticket at the end of its query.
            sent = quote(url, safe=ASCII)
            without_ticket = re.sub(r"[?&]ticket=ST-[A-Z2-7]{29}(?=#|$)", "", location)
            # An empty fragment says nothing and never reaches a server (RFC 3986, 6.2.3): it may be left out.
            followed = {sent, sent.replace("?ticket=ST-1", "")}
            assert without_ticket.removesuffix("#") in {text.removesuffix("#") for text in followed}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(url=service_urls(), comes_first=st.booleans(), spelling=st.sampled_from(["service", "%73ervice"]))
def test_of_two_services_neither_is_followed(
    sign_on: SignOn, signed_in: Browser, url: str, comes_first: bool, spelling: str
) -> None:
    sign_on.register("fees", REGISTRATION)
    both = [("service", "".join(GOOD)), (spelling, url)]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in (reversed(both) if comes_first else both))

    for answer in (
        signed_in.client.get(f"/cas/login?{query}"),
        signed_in.client.get(f"/cas/logout?{query}"),
        sign_on.browser().client.get(f"/cas/login?{query}&gateway=true"),
        sign_on.browser().client.post(f"/cas/login?service={quote(url, safe='')}", data={"service": "".join(GOOD)}),
    ):
        assert answer.status_code < 500
        assert "Location" not in answer.headers or url == "".join(GOOD)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(url=service_urls())
def test_no_hostile_address_counts_in_a_form_or_a_question(sign_on: SignOn, signed_in: Browser, url: str) -> None:
    sign_on.register("fees", REGISTRATION)
    outsider = sign_on.browser().client
    form = outsider.post("/cas/login", data={"service": url, "gateway": "true"})
    asked = [
        outsider.get("/cas/serviceValidate", query_string={"service": url, "ticket": "ST-1", "pgtUrl": url}),
        outsider.get("/cas/proxy", query_string={"pgt": "PGT-1", "targetService": url}),
        outsider.post("/cas/samlValidate", query_string={"TARGET": url}, data="<x/>", content_type="text/xml"),
    ]

    assert form.status_code < 500
    assert "Location" not in form.headers or may_be_followed(url)
    for answer in asked:
        assert answer.status_code == 200
        assert "uccess>" not in answer.text


def test_the_rule_follows_what_is_registered() -> None:
    assert may_be_followed("".join(GOOD))
