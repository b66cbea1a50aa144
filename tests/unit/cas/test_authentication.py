"""Answers say when and how the person signed in."""

from idp.cas.authentication import of_authentication


def test_the_sign_in_itself_comes_first() -> None:
    assert list(of_authentication(1790848800.25, remembered=False, from_new_login=True).items()) == [
        ("authenticationDate", ["2026-10-01T10:00:00.250Z"]),
        ("longTermAuthenticationRequestTokenUsed", ["false"]),
        ("isFromNewLogin", ["true"]),
    ]
