"""What a person types as their name is told apart by its shape."""

import pytest

from idp.people.account_queries import Key
from idp.sso.identifiers import Identifier, tell_apart
from tests.support.hostile import HOSTILE

DOMAIN = "student.po.edu.pl"


@pytest.mark.parametrize(
    ("typed", "key", "value"),
    [
        ("12345", Key.ALBUM, "12345"),
        (" 00123 ", Key.ALBUM, "123"),
        ("s12345@student.po.edu.pl", Key.ALBUM, "12345"),
        ("S12345@Student.PO.edu.pl", Key.ALBUM, "12345"),
        ("s12345", Key.ALBUM, "12345"),
        ("１２３４５", Key.ALBUM, "12345"),  # full-width digits
        ("u7k2m9qxa", Key.UID, "u7k2m9qxa"),
        ("U7K2M9QXA", Key.UID, "u7k2m9qxa"),
        ("Anna.Nowak@student.po.edu.pl", Key.MAIL, "anna.nowak@student.po.edu.pl"),
        ("anna@example.org", Key.MAIL, "anna@example.org"),
        ("s12345@example.org", Key.MAIL, "s12345@example.org"),
        ("12345@student.po.edu.pl", Key.MAIL, "12345@student.po.edu.pl"),
    ],
)
def test_an_identifier_is_known_by_its_shape(typed: str, key: Key, value: str) -> None:
    assert tell_apart(typed, DOMAIN) == Identifier(key, value)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "anna",
        "12345678901",
        "u1234567",
        "*",
        "uid=x,dc=y",
        "anna\x00@x",
        "żaneta@student.po.edu.pl",
        "a" * 300,
        "12345" + " " * 250,  # a name only after it is stripped: too long to be looked at
        HOSTILE,
    ],
)
def test_what_can_name_nobody_is_told_so(typed: str) -> None:
    assert tell_apart(typed, DOMAIN) is None
