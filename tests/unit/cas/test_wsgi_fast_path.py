"""The short path reads requests as the framework does."""

from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st

from idp.cas.wsgi_fast_path import query_of

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
