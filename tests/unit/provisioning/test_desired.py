"""What the records ask for."""

from dataclasses import replace
from datetime import date

import pytest

from idp.people.address_queries import Addresses
from idp.people.lifecycle import Access, standing
from idp.people.settings import PeopleSettings
from idp.people.values import Album, Enrolment, Person, PersonId, Status
from idp.provisioning.desired import FACTS, Subject, desired
from idp.provisioning.targets.ldap import ATTRIBUTES

TODAY = date(2026, 11, 22)
STUDIES = Enrolment("INF1S", "Informatyka", "WEAiI", "1", "S", Status.ACTIVE, date(2026, 10, 1), None, None)
ANNA = Person(
    person_id=PersonId("0a1b" * 8),
    os_id="1",
    album=Album("00123"),
    uid="u7kq2m9xa",
    given_name="Anna Maria",
    middle_name="Zofia",
    surname_prefix="von",
    surname="Żak",
    born_on=None,
    private_mail="anna@example.org",
    enrolments=(STUDIES,),
)


def subject(
    person: Person = ANNA, status: Status = Status.ACTIVE, addresses: Addresses | None = None, since: date | None = None
) -> Subject:
    enrolments = tuple(
        replace(each, status=status, status_from=since or each.status_from) for each in person.enrolments
    )
    return Subject(person, standing(enrolments, TODAY), addresses or Addresses(), PeopleSettings())


def facts(**given: object) -> dict[str, tuple[str, ...]]:
    return {name: rule(subject(**given)) for name, rule in FACTS.items()}  # type: ignore[arg-type]  # mixed columns


def test_a_student_has_every_fact_but_addresses() -> None:
    assert facts() == {
        "full_name": ("Anna Maria von Żak",),
        "surname": ("von Żak",),
        "given_name": ("Anna Maria",),
        "mail": (),
        "mail_addresses": (),
        "affiliations": ("student", "member"),
        "primary_affiliation": ("student",),
        "scoped_affiliations": ("student@po.edu.pl", "member@po.edu.pl"),
        "principal_name": ("u7kq2m9xa@po.edu.pl",),
        "unique_identifier": ("0a1b" * 8 + "@po.edu.pl",),
        "subject_identifier": ("0a1b" * 8,),
        "home_organization": ("po.edu.pl",),
        "european_student_identifier": ("urn:schac:personalUniqueCode:int:esi:po.edu.pl:00123",),
        "album": ("00123",),
        "status": ("active",),
    }


def test_a_held_account_is_shut_whatever_the_records_say() -> None:
    held = replace(subject(), is_on_hold=True)
    entry = desired(held, {"idpStatus": "status", "eduPersonAffiliation": "affiliations"})

    assert (entry.enabled, entry.reason, entry.attributes["idpStatus"]) == (False, "on_hold", ("suspended",))
    assert entry.attributes["eduPersonAffiliation"] == ("member", "student")
    closed = desired(replace(held, standing=replace(held.standing, access=Access.CLOSED)), {"idpStatus": "status"})
    assert closed.attributes["idpStatus"] == ("closed",)


def test_addresses_stand_together_once_a_name_is_chosen() -> None:
    given = Addresses("anna.zak@x", "s00123@x", ("anna.nowak@x",))

    assert facts(addresses=given)["mail"] == ("anna.zak@x",)
    assert facts(addresses=given)["mail_addresses"] == ("anna.zak@x", "s00123@x", "anna.nowak@x")
    assert facts(addresses=Addresses(None, "s00123@x"))["mail_addresses"] == ()


def test_who_has_one_name_has_it_as_surname() -> None:
    one = replace(ANNA, given_name="", surname_prefix="", surname="Suharto")
    other = replace(ANNA, given_name="Madonna", surname_prefix="", surname="")

    assert [facts(person=one)[name] for name in ("full_name", "surname", "given_name")] == [
        ("Suharto",),
        ("Suharto",),
        (),
    ]
    assert [facts(person=other)[name] for name in ("full_name", "surname", "given_name")] == [("Madonna",)] * 3


def test_an_entry_is_called_something_even_without_a_name() -> None:
    nobody = replace(ANNA, given_name="", surname_prefix="", surname="")

    assert facts(person=nobody)["surname"] == ("u7kq2m9xa",)


@pytest.mark.parametrize("status", [Status.ADMITTED, Status.SUSPENDED, Status.GRADUATED_DIPLOMA])
def test_only_students_carry_the_european_student_identifier(status: Status) -> None:
    assert facts(status=status)["european_student_identifier"] == () or status is Status.GRADUATED_DIPLOMA
    assert facts(status=status, since=date(2020, 1, 1))["european_student_identifier"] == ()


def test_who_has_no_album_yet_has_neither_album_nor_identifier() -> None:
    found = facts(person=replace(ANNA, album=None))

    assert (found["album"], found["european_student_identifier"]) == ((), ())


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
    entry = desired(subject(status=status, since=since), {"idpStatus": "status"})

    assert (entry.attributes["idpStatus"], entry.enabled) == ((word,), is_enabled)
    assert entry.only_if_present == (word == "closed")


def test_an_entry_is_made_of_facts_and_of_what_everybody_has() -> None:
    entry = desired(subject(), {"sn": "surname", "objectClass": ("b", "a"), "mail": "mail"})

    assert entry.attributes == {"sn": ("von Żak",), "objectClass": ("a", "b")}
    assert (entry.person_id, entry.name, entry.reason) == ("0a1b" * 8, "u7kq2m9xa", "student")


def test_every_attribute_of_the_directory_is_made_of_a_fact_that_has_a_rule() -> None:
    assert {made_of for made_of in ATTRIBUTES.values() if isinstance(made_of, str)} <= set(FACTS)
    assert all(rule.__doc__ for rule in FACTS.values())
