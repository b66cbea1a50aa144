"""What an application learns is its release list, and its name for the person."""

from dataclasses import replace
from datetime import date
from typing import Any

from idp.applications.release import (
    RELEASABLE,
    Principal,
    needs_enrolments,
    principal_of,
    released,
    snapshot_of,
)
from idp.people.account_queries import Facts
from idp.people.settings import PeopleSettings
from idp.people.snapshot import PersonSnapshot
from idp.people.values import Enrolment, Status

STUDIES = Enrolment("INF1S", "Informatyka", "WEAiI", "1", "S", Status.ACTIVE, date(2026, 10, 1), None, None)
FACTS = Facts(
    account_id="0a" * 16,
    kind="student",
    uid="u7k2m9qxa",
    role="",
    display_name="Anna Nowak",
    staff_mail="",
    language="pl",
    album="12345",
    given_name="Anna",
    surname="Nowak",
    mail="anna.nowak@student.po.edu.pl",
    alias="s12345@student.po.edu.pl",
    enrolments=(STUDIES,),
)


def person(**changes: Any) -> PersonSnapshot:
    return snapshot_of(FACTS._replace(**changes), PeopleSettings(), date(2026, 11, 1))


def name(principal: Principal, of: PersonSnapshot) -> str | None:
    return principal_of(principal, of, lambda: "opaque@po.edu.pl")


def test_a_release_list_is_exactly_what_is_told() -> None:
    told = released(["mail", "eduPersonScopedAffiliation", "schacPersonalUniqueCode"], person())

    assert told == {
        "mail": ["anna.nowak@student.po.edu.pl"],
        "eduPersonScopedAffiliation": ["student@po.edu.pl", "member@po.edu.pl"],
        "schacPersonalUniqueCode": ["urn:schac:personalUniqueCode:int:esi:po.edu.pl:12345"],
    }


def test_an_attribute_without_a_value_is_left_out() -> None:
    assert released(["mail", "uid"], person(mail="")) == {"uid": ["u7k2m9qxa"]}


def test_the_student_identifier_is_for_students_only() -> None:
    former = replace(STUDIES, status=Status.CANCELLED, status_from=date(2026, 3, 1))

    assert released(["schacPersonalUniqueCode"], person(enrolments=(former,))) == {}


def test_every_name_on_the_list_can_be_made() -> None:
    told = released(sorted(RELEASABLE), person(role="clerk"))

    assert set(told) == RELEASABLE


def test_staff_are_staff() -> None:
    clerk = person(kind="staff", role="clerk", staff_mail="clerk@po.edu.pl", album="", mail="", enrolments=())

    assert released(["mail", "eduPersonAffiliation"], clerk) == {
        "mail": ["clerk@po.edu.pl"],
        "eduPersonAffiliation": ["staff", "member"],
    }


def test_the_principal_is_chosen_per_service_and_may_be_missing() -> None:
    assert name(Principal.UID, person()) == "u7k2m9qxa"
    assert name(Principal.ALBUM, person()) == "12345"
    assert name(Principal.MAIL, person(mail="")) is None
    assert name(Principal.PAIRWISE, person()) == "opaque@po.edu.pl"


def test_enrolments_are_read_only_where_something_follows_from_them() -> None:
    assert needs_enrolments(["mail", "eduPersonAffiliation"])
    assert not needs_enrolments(["mail", "uid"])
