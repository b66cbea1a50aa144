"""Values held against the records, and a change taken back: rules alone."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from idp.provisioning.desired import LOCKED
from idp.provisioning.held_queries import ADOPT, UNDO, Held
from idp.provisioning.run_queries import ChangeRow
from idp.provisioning.undo import take_back
from idp.provisioning.values import Change, Entry
from idp.provisioning.wanted import SWITCH, WHY, in_force, parts_of, with_values

AT = datetime(2026, 10, 1, tzinfo=UTC)
TARGET = cast(
    "Any", SimpleNamespace(kind="ldap", attributes={"sn": "surname", "cn": "full_name", "idpStatus": "status"})
)
ASKED = Entry("p", "u", False, {"sn": ("Żak",), "idpStatus": ("suspended",)})


def held(attribute: str, ours: str, kept: str, run_id: str = "r1", why: str = UNDO) -> Held:
    return Held("ldap", "p", attribute, (ours,), (kept,), why, run_id, AT)


def row(before: Entry | None, after: Entry | None) -> ChangeRow:
    was, is_now = (entry.to_json() if entry else None for entry in (before, after))
    return ChangeRow(1, "ldap", "p", "update", "u", was, is_now, "", None, "")


def test_a_value_is_held_only_against_what_the_records_still_ask_for() -> None:
    assert in_force(ASKED, [held("sn", "Żak", "Nowak"), held("cn", "X", "Y")]) == [held("sn", "Żak", "Nowak")]


def test_a_switch_is_held_with_all_that_its_undo_holds_or_not_at_all() -> None:
    switch, status = held(SWITCH, "false", "true"), held("idpStatus", "suspended", "active")
    closed = replace(ASKED, attributes={"idpStatus": ("closed",)})

    assert in_force(ASKED, [switch, status]) == [switch, status]
    assert in_force(closed, [switch, status]) == []
    assert in_force(closed, [switch, status, held("sn", "Żak", "N", "", ADOPT)]) == []


def test_a_door_is_held_open_against_the_reason_of_its_undo_alone() -> None:
    opened = [
        held(SWITCH, "false", "true"),
        held("idpStatus", "suspended", "active"),
        held(WHY, "suspended", "suspended"),
    ]

    assert in_force(replace(ASKED, reason="suspended"), opened) == opened
    assert in_force(replace(ASKED, reason="struck_off"), opened) == []
    assert in_force(replace(ASKED, reason=LOCKED), [*opened, held("sn", "Żak", "N", "", ADOPT)]) == [
        held("sn", "Żak", "N", "", ADOPT)
    ]


def test_values_are_put_into_an_entry_and_none_takes_away() -> None:
    entry = with_values(ASKED, {"sn": (), SWITCH: ("true",), "mail": ("b@x.pl", "a@x.pl")})

    assert (entry.enabled, entry.attributes) == (True, {"idpStatus": ("suspended",), "mail": ("a@x.pl", "b@x.pl")})
    assert with_values(entry, dict(parts_of(ASKED)) | {"mail": ()}) == ASKED


def test_what_is_as_it_was_before_needs_no_change() -> None:
    before, after = with_values(ASKED, {"sn": ("A",)}), with_values(ASKED, {"sn": ("B",)})

    assert take_back(row(before, after), before, None, TARGET, remove_created=False).change is None


def test_one_attribute_goes_back_and_another_that_moved_on_is_listed() -> None:
    before = with_values(ASKED, {"sn": ("A",), "cn": ("A",)})
    after = with_values(ASKED, {"sn": ("B",), "cn": ("B",)})
    found = with_values(after, {"cn": ("C",)})

    back = take_back(row(before, after), found, None, TARGET, remove_created=False)

    assert back.change == Change.update(found, with_values(found, {"sn": ("A",)}))
    assert [one.what for one in back.left] == ["not undone: cn changed since"]


def test_a_person_without_an_entry_is_listed() -> None:
    back = take_back(row(ASKED, with_values(ASKED, {"sn": ("B",)})), None, None, TARGET, remove_created=False)

    assert (back.change, [one.what for one in back.left]) == (None, ["not undone: has no entry any more"])
