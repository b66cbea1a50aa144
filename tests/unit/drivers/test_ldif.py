"""Entries as LDIF text."""

import io

from hypothesis import given
from hypothesis import strategies as st
from ldif import LDIFRecordList

from idp.drivers.ldap_values import Add
from idp.drivers.ldif import as_ldif

VALUE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def test_plain_values_stand_plain() -> None:
    assert as_ldif(Add("uid=a,dc=x", {"cn": ("Anna", "Ann"), "mail": ()})) == "dn: uid=a,dc=x\ncn: Anna\ncn: Ann\n\n"


def test_what_a_line_cannot_hold_is_base64() -> None:
    assert as_ldif(Add("cn=ż,dc=x", {"cn": (" a", ":b", "<c", "d ", "e\nf", "ż")})) == (
        "dn:: Y249xbwsZGM9eA==\ncn:: IGE=\ncn:: OmI=\ncn:: PGM=\ncn:: ZCA=\ncn:: ZQpm\ncn:: xbw=\n\n"
    )


@given(st.lists(VALUE, min_size=1, max_size=3, unique=True))
def test_any_value_comes_back_as_it_was(values: list[str]) -> None:
    reader = LDIFRecordList(io.BytesIO(as_ldif(Add("uid=a,dc=x", {"cn": values})).encode()))
    reader.parse_entry_records()

    assert reader.all_records == [("uid=a,dc=x", {"cn": [value.encode() for value in values]})]
