"""The short path reads requests as the framework does."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.cas.wsgi_fast_path import WsgiFastPath, query_of
from idp.web.settings import WebSettings

PIECES = st.sampled_from(
    ["service", "ticket", "=", "&", "&&", "%20", "+", "%C5%82", "%c5", "%", "%2", "%zz", ";", "#", "ł", "\udc80", "a"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_a_query_is_read_as_the_standard_library_reads_it(query: str) -> None:
    try:
        expected = parse_qs(query, keep_blank_values=True, errors="strict")
    except ValueError:
        expected = None

    assert query_of(query) == expected


def test_an_address_longer_than_any_service_is_read_too() -> None:
    assert query_of(f"service={'%20' * 2000}") == {"service": [" " * 2000]}


@pytest.mark.parametrize(
    ("proxies", "headers", "passed_on"),
    [
        (0, {"HTTP_HOST": "id.example"}, False),
        (0, {"HTTP_HOST": "ID.example"}, False),
        (0, {"HTTP_HOST": "id.internal:8443"}, False),
        (0, {"HTTP_HOST": "evil.example"}, True),
        (0, {"HTTP_HOST": "evil.example", "HTTP_X_FORWARDED_HOST": "id.example"}, True),
        (0, {}, True),
        (1, {"HTTP_HOST": "127.0.0.1:8080", "HTTP_X_FORWARDED_HOST": "id.example"}, False),
        (1, {"HTTP_HOST": "id.example", "HTTP_X_FORWARDED_HOST": "evil.example"}, True),
        (1, {"HTTP_HOST": "id.example"}, False),
    ],
)
def test_a_request_for_another_host_is_left_to_the_check_that_refuses_it(
    proxies: int, headers: dict[str, str], passed_on: bool
) -> None:
    web = WebSettings(base_url="https://id.example", trusted_hosts=["id.internal:8443"], trusted_proxies=proxies)
    served: list[str] = []

    def exclusive() -> nullcontext[None]:
        served.append("fast")
        return nullcontext()

    def rest(*_: object) -> list[bytes]:
        served.append("flask")
        return []

    tickets = SimpleNamespace(raw_store=SimpleNamespace(exclusive=exclusive))
    sign_on = SimpleNamespace(cookie=SimpleNamespace(name="idp_sso"))
    fast = WsgiFastPath(rest, cast(Any, sign_on), cast(Any, tickets), web)

    list(fast({"REQUEST_METHOD": "GET", "PATH_INFO": "/cas/validate", **headers}, lambda *_: None))

    assert served[0] == ("flask" if passed_on else "fast")
