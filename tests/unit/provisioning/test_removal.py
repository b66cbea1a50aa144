"""Whose entries may be removed after grace: rules alone."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from idp.people.snapshot import PersonSnapshot
from idp.people.source_queries import PersonSource
from idp.people.values import PersonId, Source, Status
from idp.provisioning.pins import EXISTENCE, NOTHING_KEPT, THERE, Kept, Pin
from idp.provisioning.records import PersonRecords
from idp.provisioning.removal import why_kept
from tests.support.snapshots import TODAY, snapshot

LEFT: dict[str, Any] = {"status": Status.GRADUATED_DIPLOMA, "since": date(2024, 1, 1)}
PIN = Pin("ldap", "p", EXISTENCE, {THERE: ("false",)}, {THERE: ("true",)}, "r1", datetime(2026, 1, 1, tzinfo=UTC))


def why(person: PersonSnapshot, kept: Kept = NOTHING_KEPT, days: int = 365) -> str:
    return why_kept(PersonRecords(person, kept), days, TODAY)


def test_who_is_closed_for_long_may_be_removed() -> None:
    assert why(snapshot(**LEFT)) == ""


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (snapshot(), "do not close the person"),
        (snapshot(Status.SUSPENDED), "do not close the person"),
        (snapshot(Status.GRADUATED_DIPLOMA, date(2025, 10, 1)), "closed for less than 365 days"),
        (snapshot(**LEFT, merged_into=PersonId("0c" * 16)), "merged into another"),
        (snapshot(**LEFT, sources=(Source.STAFF,)), "do not close the person"),
        (snapshot(enrolments=()), "do not close the person"),
    ],
)
def test_everybody_else_stays(person: PersonSnapshot, said: str) -> None:
    assert said in why(person)


def test_entries_of_staff_are_never_removed() -> None:
    staff = msgspec.structs.replace(snapshot(**LEFT), sources=(PersonSource(Source.STAFF, "x"),))

    assert why(staff) == "entries of staff are never removed"


def test_an_entry_that_an_undo_brought_back_stays() -> None:
    assert why(snapshot(**LEFT), Kept((PIN,))) == "an undo brought the entry back"
