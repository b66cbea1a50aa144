"""What we tell about a person: one rule per attribute, for every system."""

import json
from datetime import date
from typing import Any

import pytest

from idp.people.account_queries import AccountData
from idp.people.address_queries import Addresses
from idp.people.catalogue import (
    BY_KEY,
    CATALOGUE,
    SYSTEMS,
    ValueSource,
    fingerprint_of,
    named_in,
)
from idp.people.settings import PeopleSettings
from idp.people.values import Album, MergedRecord, PersonId, Source, Status
from tests.support.snapshots import SAMPLES, outputs, snapshot


def attributes(**given: Any) -> dict[str, tuple[str, ...]]:
    person = snapshot(**given)
    return {attribute.key: attribute.rule(person) for attribute in CATALOGUE}


def test_a_student_has_every_attribute_but_addresses() -> None:
    assert attributes() == {
        "uid": ("u7kq2m9xa",),
        "full_name": ("Anna Maria von Żak",),
        "surname": ("von Żak",),
        "given_name": ("Anna Maria",),
        "mail": (),
        "mail_alias": (),
        "mail_addresses": (),
        "language": (),
        "role": (),
        "affiliations": ("student", "member"),
        "primary_affiliation": ("student",),
        "scoped_affiliations": ("student@po.edu.pl", "member@po.edu.pl"),
        "principal_name": ("u7kq2m9xa@po.edu.pl",),
        "unique_identifier": ("0a1b" * 8 + "@po.edu.pl",),
        "subject_identifier": ("0a1b" * 8,),
        "home_organization": ("po.edu.pl",),
        "european_student_identifier": ("urn:schac:personalUniqueCode:int:esi:po.edu.pl:00123",),
        "album": ("00123",),
        "albums": ("00123",),
        "programmes": ("INF1S",),
        "status": ("active",),
    }


def test_addresses_stand_together_once_a_name_is_chosen() -> None:
    given = Addresses("anna.zak@x", "s00123@x", ("anna.nowak@x",))

    assert attributes(addresses=given)["mail"] == ("anna.zak@x",)
    assert attributes(addresses=given)["mail_addresses"] == ("anna.zak@x", "s00123@x", "anna.nowak@x")
    assert attributes(addresses=Addresses(None, "s00123@x"))["mail_addresses"] == ()


def test_somebody_with_one_name_has_it_as_surname() -> None:
    one = attributes(given_name="", surname_prefix="", surname="Suharto")
    other = attributes(given_name="Madonna", surname_prefix="", surname="")

    assert [one[key] for key in ("full_name", "surname", "given_name")] == [("Suharto",), ("Suharto",), ()]
    assert [other[key] for key in ("full_name", "surname", "given_name")] == [("Madonna",)] * 3


def test_a_person_without_a_name_is_called_by_the_uid() -> None:
    assert attributes(given_name="", surname_prefix="", surname="")["surname"] == ("u7kq2m9xa",)


@pytest.mark.parametrize("status", [Status.ADMITTED, Status.SUSPENDED, Status.GRADUATED_DIPLOMA])
def test_only_students_carry_the_european_student_identifier(status: Status) -> None:
    assert attributes(status=status)["european_student_identifier"] == () or status is Status.GRADUATED_DIPLOMA
    assert attributes(status=status, since=date(2020, 1, 1))["european_student_identifier"] == ()


def test_somebody_without_an_album_has_neither_album_nor_identifier() -> None:
    person = attributes(album=None)

    assert (person["album"], person["albums"], person["european_student_identifier"]) == ((), (), ())


def test_after_a_merge_all_albums_are_told_the_kept_one_first() -> None:
    merged = MergedRecord(PersonId("0c" * 16), "u22222222", Album("00009"))

    assert attributes(merged=(merged,))["albums"] == ("00123", "00009")
    assert attributes(merged=(merged,))["album"] == ("00123",)


def test_a_lock_shows_in_the_status_and_a_closed_account_stays_closed() -> None:
    assert attributes(is_locked=True)["status"] == ("suspended",)
    assert attributes(is_locked=True, status=Status.GRADUATED_DIPLOMA, since=date(2020, 1, 1))["status"] == ("closed",)


def test_staff_have_their_role_and_contact_address() -> None:
    account = AccountData("clerk", "en", "clerk@po.edu.pl")
    clerk = attributes(enrolments=(), sources=(Source.STAFF,), album=None, account=account)

    assert clerk["affiliations"] == ("staff", "member")
    assert (clerk["mail"], clerk["role"], clerk["language"]) == (("clerk@po.edu.pl",), ("clerk",), ("en",))


# --- the catalogue as a whole ---------------------------------------------------------------------------------------


def test_keys_are_unique_and_no_system_uses_a_name_twice() -> None:
    assert len({attribute.key for attribute in CATALOGUE}) == len(CATALOGUE)
    for system in SYSTEMS:
        names = [name for attribute in CATALOGUE for name in getattr(attribute.names, system)]
        assert len(names) == len(set(names))


def test_every_attribute_has_a_sentence_and_a_name_somewhere() -> None:
    assert all(attribute.description for attribute in CATALOGUE)
    assert all(any(getattr(attribute.names, system) for system in SYSTEMS) for attribute in CATALOGUE)


def test_every_source_is_a_known_word_or_a_setting_that_exists() -> None:
    settings = {source for each in CATALOGUE for source in each.sources if source not in list(ValueSource)}

    assert {name.partition(".")[0] for name in settings} == {"people"}
    assert {name.partition(".")[2] for name in settings} <= PeopleSettings.model_fields.keys()


def test_values_are_given_by_the_names_of_a_system_and_none_where_there_is_none() -> None:
    told = {name: BY_KEY[key].rule(snapshot()) for name, key in named_in("oidc").items()}

    assert (told["sub"], told["family_name"], told["email"]) == (("0a1b" * 8,), ("von Żak",), ())
    assert named_in("scim")["name.familyName"] == "surname"


def test_no_output_changes_while_its_version_stays() -> None:
    """Targets are compared whole when a version changes; a changed rule without a new version would reach nobody."""
    known, new = json.loads(SAMPLES.read_text(encoding="utf-8")), outputs()
    changed = [key for key, output in known.items() if key in new and output != new[key]]

    assert changed == [], "raise the version of the rule, then run scripts/attribute-samples"
    assert known.keys() == new.keys(), "run scripts/attribute-samples"


def test_the_fingerprint_has_the_versions_of_the_attributes_that_are_used() -> None:
    assert fingerprint_of({"album", "principal_name"}) == [
        ("principal_name", 1, ("generated", "people.scope")),
        ("album", 1, ("record",)),
    ]
