"""The entry that the records ask for."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from idp.people.catalogue import BY_KEY
from idp.people.settings import PeopleSettings
from idp.people.values import Status
from idp.provisioning.desired import desired
from idp.provisioning.fingerprint import fingerprint
from idp.provisioning.targets.ldap import ATTRIBUTES
from tests.support.snapshots import snapshot


def test_a_locked_account_is_disabled_whatever_the_records_say() -> None:
    locked = snapshot(is_locked=True)
    entry = desired(locked, {"idpStatus": "status", "eduPersonAffiliation": "affiliations"})

    assert (entry.enabled, entry.reason, entry.attributes["idpStatus"]) == (False, "locked", ("suspended",))
    assert entry.attributes["eduPersonAffiliation"] == ("member", "student")
    assert desired(locked.without_locks(), {}).enabled


@pytest.mark.parametrize(
    ("status", "since", "word", "is_enabled"),
    [
        (Status.ACTIVE, date(2026, 10, 1), "active", True),
        (Status.SUSPENDED, date(2026, 10, 1), "suspended", False),
        (Status.CANCELLED, date(2026, 11, 20), "active", True),
        (Status.CANCELLED, date(2026, 1, 1), "suspended", False),
        (Status.GRADUATED_DIPLOMA, date(2020, 1, 1), "closed", False),
    ],
)
def test_status_and_switch_follow_access(status: Status, since: date, word: str, is_enabled: bool) -> None:
    entry = desired(snapshot(status, since), {"idpStatus": "status"})

    assert (entry.attributes["idpStatus"], entry.enabled) == ((word,), is_enabled)
    assert entry.only_if_present == (word == "closed")


def test_an_entry_is_made_of_the_catalogue_and_of_what_everybody_has() -> None:
    entry = desired(snapshot(), {"sn": "surname", "objectClass": ("b", "a"), "mail": "mail"})

    assert entry.attributes == {"sn": ("von Żak",), "objectClass": ("a", "b")}
    assert (entry.person_id, entry.name, entry.reason) == ("0a1b" * 8, "u7kq2m9xa", "student")


def test_every_attribute_of_the_directory_is_in_the_catalogue() -> None:
    assert {key for key in ATTRIBUTES.values() if isinstance(key, str)} <= BY_KEY.keys()


def test_the_fingerprint_of_a_target_covers_its_attributes_their_rules_and_the_settings() -> None:
    def of(attributes: dict[str, str], **settings: Any) -> str:
        return fingerprint(
            cast("Any", SimpleNamespace(attributes=attributes, entry_name="uid")), PeopleSettings(**settings)
        )

    same = of({"sn": "surname"})

    assert same == of({"sn": "surname"})
    assert same not in (of({"sn": "full_name"}), of({"lastName": "surname"}), of({"sn": "surname"}, scope="x.pl"))
