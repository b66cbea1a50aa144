"""What a Keycloak user becomes: pure functions of the target; the rest is tests/conformance/test_targets.py."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.keycloak.realm import realm
from idp.errors import ConfigError
from idp.people.catalogue import BY_KEY
from idp.provisioning.targets import keycloak
from idp.provisioning.targets.keycloak import ATTRIBUTES, BUILT_IN, OWN, OWNER, UNFINISHED, Settings
from idp.provisioning.values import Entry

ENTRY = Entry("p1", "u7kq2m9xa", True, {"firstName": ("Anna",), "idpAlbum": ("00123",), "groups": ("student",)})


def test_every_attribute_is_in_the_catalogue() -> None:
    assert set(ATTRIBUTES.values()) <= BY_KEY.keys()


def test_the_realm_declares_every_attribute_that_is_written() -> None:
    made = realm("r", provisioning_secret="a", load_secret="b", base_url="https://login.example/")
    (profile,) = made["components"]["org.keycloak.userprofile.UserProfileProvider"]
    declared = {each["name"] for each in json.loads(profile["config"]["kc.user.profile.config"][0])["attributes"]}

    assert {*BUILT_IN, *OWN, OWNER, UNFINISHED, "username"} <= declared


def test_secrets_and_addresses_of_any_form_make_a_sound_realm() -> None:
    made = realm('r"$x', provisioning_secret='"\\', load_secret="${realm}", base_url="https://login.example/")

    assert made["realm"] == 'r"$x'
    assert [client["secret"] for client in made["clients"]] == ['"\\', "${realm}"]
    assert made["identityProviders"][0]["config"]["issuer"] == "https://login.example"


def test_the_account_for_loads_is_disabled() -> None:
    made = realm("r", provisioning_secret="a", load_secret="b", base_url="https://login.example")

    assert {client["clientId"]: client["enabled"] for client in made["clients"]} == {
        "idp-provisioning": True,
        "idp-load": False,
    }


def test_what_is_not_ours_stays_when_a_user_is_filled() -> None:
    user = {"id": "1", "requiredActions": ["X"], "lastName": "Old", "attributes": {"phone": ["1"], "idpStatus": ["x"]}}

    assert keycloak._filled(user, ENTRY, "idp:p1") == {
        "id": "1",
        "requiredActions": ["X"],
        "username": "u7kq2m9xa",
        "enabled": True,
        "emailVerified": False,
        "firstName": "Anna",
        "attributes": {"phone": ["1"], "idpAlbum": ["00123"], "idpOwner": ["idp:p1"]},
    }


def test_a_user_whose_sessions_are_perhaps_not_ended_still_counts_as_enabled() -> None:
    user = {"enabled": True, "attributes": {"phone": ["1"]}}
    shut = keycloak._shut(user)

    assert not shut["enabled"]
    assert keycloak._is_enabled(shut)
    assert shut["attributes"]["phone"] == ["1"]
    assert UNFINISHED not in keycloak._filled(shut, ENTRY, "idp:p1")["attributes"]


@pytest.mark.parametrize(
    "url", ["http://keycloak.example.edu", "ftp://127.0.0.1", "keycloak", "http://127.0.0.1:8180/?x=1"]
)
def test_an_address_at_which_secrets_would_travel_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        Settings(url=url)


def test_an_account_without_a_secret_is_refused() -> None:
    def secret(name: str, file: Path | None) -> str:
        raise ConfigError(name)

    with pytest.raises(ConfigError, match=r"targets\.keycloak\.secret_file"):
        keycloak.open_target(Settings(enabled=True), None, secret)  # type: ignore[arg-type] # it looks at no directory
