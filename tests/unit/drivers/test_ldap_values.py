"""Text made safe for names and filters of LDAP."""

import string

import ldap.dn
import ldap.filter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.drivers.ldap_values import any_of, equals, error_of, error_of_write, rdn
from idp.errors import Conflict, NotFound, TargetRejected, TargetUnavailable

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
SPECIALS = st.text(st.sampled_from('\\,+"<>;=# *()\x00\x01\x7fż😀' + string.ascii_letters), min_size=1, max_size=20)


@given(value=TEXTS | SPECIALS)
def test_a_name_says_exactly_its_value_and_ends_with_it(value: str) -> None:
    value = value.replace("\0", "0")  # the library that reads it back cannot hold a null byte; slapd can

    parts = ldap.dn.str2dn(f"{rdn('cn', value)},ou=people")

    assert [[(name, text) for name, text, _ in part] for part in parts] == [[("cn", value)], [("ou", "people")]]


def test_a_name_cannot_be_empty() -> None:
    with pytest.raises(ValueError, match="empty"):
        rdn("uid", "")


@given(value=TEXTS | SPECIALS)
def test_a_filter_has_no_bracket_or_star_of_the_value(value: str) -> None:
    inner = equals("cn", value)[1:-1]

    assert not set(inner.removeprefix("cn=")) & set("*()\0")
    assert inner.removeprefix("cn=") == ldap.filter.escape_filter_chars(value)


def test_filters_are_joined() -> None:
    assert any_of(["(a=1)"]) == "(a=1)"
    assert any_of(["(a=1)", "(b=2)"]) == "(|(a=1)(b=2))"


@pytest.mark.parametrize(
    ("code", "error"),
    [(68, Conflict), (32, NotFound), (19, TargetRejected), (50, TargetRejected), (51, TargetUnavailable)]
    + [(code, TargetUnavailable) for code in (52, 53, 80)],
)
def test_a_result_code_says_whether_a_retry_can_help(code: int, error: type[Exception]) -> None:
    assert type(error_of(code, "said")) is error
    assert type(error_of_write(code, "said")) is error


def test_a_write_to_an_entry_of_others_is_refused_and_a_server_that_cannot_tell_is_out_of_order() -> None:
    assert type(error_of_write(122, "said")) is TargetRejected
    assert type(error_of_write(12, "said")) is TargetUnavailable
    assert type(error_of(12, "said")) is TargetRejected  # of a search: some other control, which it may live without
