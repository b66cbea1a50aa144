"""When the answer is no already, before the directory is asked."""

from dataclasses import replace

import pytest

from idp.people.account_queries import Account, Key
from idp.sso.identifiers import Identifier
from idp.sso.sign_in import Reason, has_good_form, normalized_password, refused_before_bind
from tests.support.hostile import HOSTILE

ALBUM = Identifier(Key.ALBUM, "12345")
ACCOUNT = Account("p1", "student", "u7k2m9qxa", "", "Anna Nowak", "", True, 0, True, "pl")


def test_the_password_decides_for_an_enabled_claimed_account() -> None:
    assert refused_before_bind(ALBUM, ACCOUNT, "secret") is None


def test_each_cause_has_its_own_reason() -> None:
    assert refused_before_bind(None, None, "secret") is Reason.UNREADABLE
    assert refused_before_bind(ALBUM, None, "secret") is Reason.UNKNOWN
    assert refused_before_bind(ALBUM, replace(ACCOUNT, enabled=False), "secret") is Reason.DISABLED
    assert refused_before_bind(ALBUM, replace(ACCOUNT, is_claimed=False), "secret") is Reason.UNCLAIMED
    assert refused_before_bind(ALBUM, ACCOUNT, "") is Reason.PASSWORD_FORM


@pytest.mark.parametrize(
    ("password", "good"),
    [("", False), ("x", True), ("x" * 128, True), ("x" * 129, False), ("ż" * 65, False), ("a\0b", False)],
)
def test_a_password_is_1_to_128_bytes_without_nul(password: str, good: bool) -> None:
    assert has_good_form(password) is good


def test_a_password_far_too_long_is_not_normalised() -> None:
    assert normalized_password(HOSTILE) == ""
    assert normalized_password("z\u0307") == "ż"
