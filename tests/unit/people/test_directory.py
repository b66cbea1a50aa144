"""Where the directory is, and where in it people stand."""

import pytest
from pydantic import ValidationError

from idp.people.directory import DirectorySettings


def test_everybody_stands_in_one_branch() -> None:
    settings = DirectorySettings(base_dn="dc=example,dc=org")

    assert settings.person_dn("u7kq2m9xa") == "uid=u7kq2m9xa,ou=people,dc=example,dc=org"


@pytest.mark.parametrize("uid", ["", "a,b", "a=b", "ż", "a b", "a\x00"])
def test_nothing_but_a_uid_gets_into_a_name(uid: str) -> None:
    with pytest.raises(ValueError, match="not a uid"):
        DirectorySettings().person_dn(uid)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ldap://ldap.example.org"},
        {"url": "ldap://192.0.2.1:389"},
        {"url": "ldaps://ldap.example.org", "start_tls": True},
        {"url": "http://127.0.0.1"},
        {"url": "ldap://"},
        {"url": "ldap://127.0.0.1/dc=po"},
    ],
)
def test_passwords_never_travel_in_the_clear(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DirectorySettings.model_validate(given)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ldap://127.0.0.1:3890"},
        {"url": "ldap://[::1]:389"},
        {"url": "ldap://localhost"},
        {"url": "ldap://ldap.example.org", "start_tls": True},
        {"url": "ldaps://ldap.example.org:636"},
    ],
)
def test_loopback_and_encrypted_servers_are_fine(given: dict[str, object]) -> None:
    assert DirectorySettings.model_validate(given).url == given["url"]
