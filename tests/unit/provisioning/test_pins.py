"""Pins, overrides, and a change that is undone: rules alone."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from idp.people.snapshot import PersonSnapshot
from idp.people.source_queries import PersonSource
from idp.people.values import Source, Status
from idp.provisioning.pins import (
    ACCESS,
    EXISTENCE,
    THERE,
    WHY,
    Kept,
    Override,
    Parts,
    Pin,
    by_records,
    effective_entry,
    ended,
    key_of,
    parts_below,
    parts_of,
    with_values,
)
from idp.provisioning.records import PersonRecords
from idp.provisioning.run import ChangeRow
from idp.provisioning.undo import pins_of_undo, take_back
from idp.provisioning.values import NAME, SWITCH, Change, Entry, Kind
from tests.support.snapshots import snapshot

AT = datetime(2026, 10, 1, tzinfo=UTC)
ATTRIBUTES = {"sn": "surname", "cn": "full_name", "displayName": "full_name", "idpStatus": "status", "fixed": ("x",)}


def target(kind: str, attributes: dict[str, Any]) -> Any:
    return cast("Any", SimpleNamespace(kind=kind, entry_name="uid", attributes=attributes))


LDAP, ACCOUNTS = target("ldap", ATTRIBUTES), target("accounts", {})
BOTH = (LDAP, ACCOUNTS)
ANNA_ZAK: dict[str, Any] = {"given_name": "Anna", "surname_prefix": "", "surname": "Żak"}
ANNA = snapshot(**ANNA_ZAK)
SUSPENDED = snapshot(Status.SUSPENDED, date(2026, 1, 1), **ANNA_ZAK)
STRUCK_OFF = snapshot(Status.CANCELLED, date(2024, 1, 1), **ANNA_ZAK)


def parts_asked(person: PersonSnapshot, of: Any, key: str) -> dict[str, tuple[str, ...]]:
    parts = parts_of(by_records(person, of))
    return {part: parts.get(part, ()) for part in parts_below(of, key)}


def pin(key: str, person: PersonSnapshot, kept: Parts, of: Any = LDAP, run_id: str = "r1", why: str = "") -> Pin:
    expected = parts_asked(person, of, key) | ({WHY: (why,)} if why else {})
    return Pin(of.kind, person.person_id, key, expected, kept, run_id, AT)


def opened(of: Any = LDAP, run_id: str = "r1") -> Pin:
    """What the undo of a suspension leaves."""
    kept = {SWITCH: ("true",)} | ({"idpStatus": ("active",)} if of is LDAP else {})
    return pin(ACCESS, SUSPENDED, kept, of, run_id, why="suspended")


def row(before: Entry | None, after: Entry | None, cause: str = "") -> ChangeRow:
    was, is_now = (entry.to_json() if entry else None for entry in (before, after))
    return ChangeRow(1, "ldap", ANNA.person_id, "update", "u", was, is_now, "as people read it", None, cause=cause)


def effective(person: PersonSnapshot, *pins: Pin, overrides: tuple[Override, ...] = (), of: Any = LDAP) -> Entry:
    return effective_entry(person, of, Kept(pins, overrides), BOTH)


# --- pins -----------------------------------------------------------------------------------------------------------


def test_each_part_of_an_entry_stands_below_one_key() -> None:
    keys = {part: key_of(LDAP, part) for part in (NAME, SWITCH, THERE, *ATTRIBUTES)}

    assert keys == {
        NAME: "uid",
        SWITCH: ACCESS,
        THERE: EXISTENCE,
        "sn": "surname",
        "cn": "full_name",
        "displayName": "full_name",
        "idpStatus": ACCESS,
        "fixed": None,
    }
    assert parts_below(LDAP, "full_name") == ["cn", "displayName"]


def test_a_pin_holds_only_against_what_the_records_still_ask_for() -> None:
    kept = pin("surname", ANNA, {"sn": ("Nowak",)})

    assert effective(ANNA, kept).attributes["sn"] == ("Nowak",)
    assert not ended(ANNA, Kept((kept,)), BOTH)
    married = snapshot(**ANNA_ZAK | {"surname": "Lis"})
    assert effective(married, kept).attributes["sn"] == ("Lis",)
    assert ended(married, Kept((kept,)), BOTH).pins == (kept,)


def test_pins_of_different_keys_end_apart() -> None:
    surname, name = pin("surname", ANNA, {"sn": ("Nowak",)}), pin("full_name", ANNA, {"cn": ("Anna Nowak",)})
    renamed = snapshot(**ANNA_ZAK | {"given_name": "Ewa"})

    assert effective(renamed, surname, name).attributes["sn"] == ("Nowak",)
    assert effective(renamed, surname, name).attributes["cn"] == ("Ewa Żak",)
    assert ended(renamed, Kept((surname, name)), BOTH).pins == (name,)


def test_access_is_kept_open_against_the_reason_of_its_undo_alone() -> None:
    assert effective(SUSPENDED, opened()).enabled
    assert effective(SUSPENDED, opened()).attributes["idpStatus"] == ("active",)
    # The words in the target are the same; the reason is not.
    assert parts_asked(STRUCK_OFF, LDAP, ACCESS) == parts_asked(SUSPENDED, LDAP, ACCESS)
    assert effective(STRUCK_OFF, opened()) == by_records(STRUCK_OFF, LDAP)
    assert ended(STRUCK_OFF, Kept((opened(),)), BOTH).pins == (opened(),)


def test_a_pin_of_access_that_ends_in_one_target_ends_in_all_of_the_same_undo() -> None:
    stale = pin(ACCESS, ANNA, {SWITCH: ("false",)}, ACCOUNTS)
    other = opened(run_id="r2")

    assert not effective(SUSPENDED, opened(), stale).enabled
    assert ended(SUSPENDED, Kept((opened(), stale)), BOTH).pins == (opened(), stale)
    assert effective(SUSPENDED, other, stale).enabled
    assert ended(SUSPENDED, Kept((other, stale)), BOTH).pins == (stale,)


def test_a_lock_suspends_a_pin_of_access_and_no_other() -> None:
    locked = snapshot(Status.SUSPENDED, date(2026, 1, 1), **ANNA_ZAK, is_locked=True)
    absent = pin(EXISTENCE, SUSPENDED, {THERE: ("false",)})

    under_lock = effective(locked, opened(), absent, pin("surname", SUSPENDED, {"sn": ("Nowak",)}))

    assert (under_lock.enabled, under_lock.attributes["idpStatus"]) == (False, ("suspended",))
    assert under_lock.attributes["sn"] == ("Nowak",)
    assert under_lock.only_if_present
    assert not ended(locked, Kept((opened(),)), BOTH)
    assert effective(SUSPENDED, opened()).enabled  # unlocked


# --- overrides ------------------------------------------------------------------------------------------------------


def override(expected: str, kept: str, attribute: str = "displayName") -> Override:
    return Override("ldap", ANNA.person_id, attribute, (expected,), (kept,), "adopt", AT)


def test_an_override_is_applied_after_pins_and_ends_as_they_do() -> None:
    names = pin("full_name", ANNA, {"cn": ("Anna Nowak",), "displayName": ("Anna Nowak",)})
    adopted = override("Anna Żak", "Ania")

    entry = effective(ANNA, names, overrides=(adopted,))

    assert (entry.attributes["cn"], entry.attributes["displayName"]) == (("Anna Nowak",), ("Ania",))
    married = snapshot(**ANNA_ZAK | {"surname": "Lis"})
    assert effective(married, overrides=(adopted,)).attributes["displayName"] == ("Anna Lis",)
    assert ended(married, Kept(overrides=(adopted,)), BOTH).overrides == (adopted,)


# --- undo -----------------------------------------------------------------------------------------------------------


def test_values_are_put_into_an_entry_and_none_takes_away() -> None:
    entry = Entry("p", "u", False, {"sn": ("Żak",), "idpStatus": ("suspended",)})
    other = with_values(entry, {"sn": (), SWITCH: ("true",), "mail": ("b@x.pl", "a@x.pl")})

    assert (other.enabled, other.attributes) == (True, {"idpStatus": ("suspended",), "mail": ("a@x.pl", "b@x.pl")})
    assert with_values(other, dict(parts_of(entry)) | {"mail": ()}) == entry


BEFORE = Entry("p", "u", False, {"sn": ("A",), "cn": ("A",), "displayName": ("A",), "idpStatus": ("suspended",)})
AFTER = with_values(BEFORE, {"sn": ("B",), "cn": ("B",), "displayName": ("B",)})


def test_what_is_as_it_was_before_needs_no_change() -> None:
    assert take_back(row(BEFORE, AFTER), BEFORE, None, LDAP, remove_created=False).change is None


def test_a_key_goes_back_whole_and_one_that_moved_on_is_listed() -> None:
    found = with_values(AFTER, {"cn": ("C",)})

    back = take_back(row(BEFORE, AFTER), found, None, LDAP, remove_created=False)

    assert back.change == Change.update(found, with_values(found, {"sn": ("A",)}))
    assert [one.what for one in back.left] == ["not undone: cn changed since"]


def test_a_person_without_an_entry_is_listed() -> None:
    back = take_back(row(BEFORE, AFTER), None, None, LDAP, remove_created=False)

    assert (back.change, [one.what for one in back.left]) == (None, ["not undone: has no entry any more"])


def test_the_entry_of_a_member_of_staff_is_locked_and_never_removed() -> None:
    made = by_records(ANNA, LDAP)
    staff = msgspec.structs.replace(ANNA, sources=(PersonSource(Source.STAFF, "x"),))

    removed = take_back(row(None, made), made, ANNA, LDAP, remove_created=True)
    locked = take_back(row(None, made), made, staff, LDAP, remove_created=True)

    assert removed.change is not None
    assert locked.change is not None
    assert (removed.change.kind, locked.change.kind) == (Kind.REMOVE, Kind.DISABLE)


def after_undo(person: PersonSnapshot, before: Entry | None, after: Entry | None, *kept: Pin) -> list[Pin]:
    _, new = pins_of_undo(row(before, after, "suspended"), PersonRecords(person, Kept(kept)), LDAP, "r1", AT)
    return list(new)


def test_an_undo_pins_each_key_that_the_records_still_ask_for() -> None:
    asked = by_records(SUSPENDED, LDAP)
    enabled = with_values(asked, {SWITCH: ("true",), "idpStatus": ("active",), "sn": ("Nowak",)})

    assert after_undo(SUSPENDED, asked, enabled) == [opened(), pin("surname", SUSPENDED, {"sn": ("Nowak",)})]
    # Struck off while we wrote: the records are obeyed.
    assert [one.key for one in after_undo(STRUCK_OFF, asked, enabled)] == ["surname"]


def test_access_is_not_pinned_when_the_records_changed_any_part_of_it() -> None:
    """Only `student` was taken away and put back; meanwhile the records suspended the person."""
    attributes = {"idpStatus": "status", "eduPersonAffiliation": "affiliations"}
    ldap = target("ldap", attributes)
    before = with_values(by_records(ANNA, ldap), {"eduPersonAffiliation": ("member",)})
    after = by_records(ANNA, ldap)

    _, new = pins_of_undo(row(before, after), PersonRecords(SUSPENDED), ldap, "r1", AT)

    assert new == ()


def test_an_undo_of_an_undo_ends_the_pins_whose_result_equals_the_records() -> None:
    asked = by_records(SUSPENDED, LDAP)
    enabled = with_values(asked, {SWITCH: ("true",), "idpStatus": ("active",)})
    records = PersonRecords(SUSPENDED, Kept((opened(),)))

    assert pins_of_undo(row(enabled, asked), records, LDAP, "r2", AT) == ((opened(),), ())


def test_a_removal_pins_the_existence_and_its_undo_ends_that() -> None:
    entry = by_records(ANNA, LDAP)
    (absent,) = after_undo(ANNA, entry, None)

    assert absent == pin(EXISTENCE, ANNA, {THERE: ("false",)})
    assert effective(ANNA, absent).only_if_present
    assert pins_of_undo(row(None, entry), PersonRecords(ANNA, Kept((absent,))), LDAP, "r2", AT) == ((absent,), ())
