"""Pins and overrides: values that a target keeps although the records ask for others. Rules alone.

A pin is left by an undo: one per person, target and key. An override is drift that was accepted: one attribute. Both
hold only while the records ask for what they asked for then. When the records say something else, that is written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from idp.people.catalogue import BY_KEY
from idp.people.snapshot import PersonSnapshot
from idp.provisioning.desired import desired
from idp.provisioning.target import Target
from idp.provisioning.values import NAME, SWITCH, Entry

Values = tuple[str, ...]
Parts = Mapping[str, Values]

# What an entry has besides its name, its switch and its attributes, in the words of a plan.
THERE = "(there)"
# In `Pin.expected` alone: why the records close somebody whom the pin keeps in.
WHY = "(why)"
YES, NO = ("true",), ("false",)

# Keys of pins besides those of the catalogue. Whether somebody may sign in, and the attributes that say what somebody
# is and may, are one key: an entry is never half open.
ACCESS: Final = "access"
EXISTENCE: Final = "existence"


@dataclass(frozen=True, slots=True)
class Pin:
    """What an undo left of one key of one person in one target."""

    target: str
    person_id: str
    key: str
    expected: Parts  # what the records asked for when it was made; of every attribute below the key
    kept: Parts  # what the target keeps, where that differs
    run_id: str  # the run that was undone
    pinned_at: datetime


@dataclass(frozen=True, slots=True)
class Override:
    """One attribute of one person in one target as somebody else changed it, and as it was accepted."""

    target: str
    person_id: str
    attribute: str
    expected: Values
    kept: Values
    policy: str  # report | adopt
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """All pins and overrides of one person."""

    pins: tuple[Pin, ...] = ()
    overrides: tuple[Override, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pins or self.overrides)

    def of_target(self, target: str) -> "Kept":
        """Return those of one target."""
        return Kept(
            tuple(pin for pin in self.pins if pin.target == target),
            tuple(override for override in self.overrides if override.target == target),
        )

    @property
    def person_id(self) -> str:
        """Whose they are, where there are any."""
        return next((each.person_id for each in self.pins), "") or self.overrides[0].person_id


NOTHING_KEPT: Final = Kept()


# --- the effective entry --------------------------------------------------------------------------------------------


def effective_entry(snapshot: PersonSnapshot, target: Target, kept: Kept, targets: Iterable[Target]) -> Entry:
    """Return what `target`, one of `targets`, must have of a person: what the records ask for, pins, overrides, locks.

    A lock suspends pins of access and leaves the others: it says who may sign in, and nothing else.
    """
    entry = _asked(snapshot, target)
    mine = kept.of_target(target.kind) if kept else kept
    if not mine:
        return entry
    past = ended(snapshot, kept, targets)
    values: dict[str, Values] = {}
    for pin in mine.pins:
        if pin not in past.pins and not (pin.key == ACCESS and snapshot.is_locked):
            values |= pin.kept
    values |= {override.attribute: override.kept for override in mine.overrides if override not in past.overrides}
    return with_values(entry, values)


def ended(snapshot: PersonSnapshot, kept: Kept, targets: Iterable[Target]) -> Kept:
    """Return the pins and overrides that the records have left behind. A pin that a lock suspends is none of them.

    A pin of access that ends in one target ends in all targets for the same undone run.
    """
    if not kept:
        return kept
    parts: dict[str, Parts] = {}  # by target what the records ask for
    for target in targets:
        records = by_records(snapshot, target)
        parts[target.kind] = {**parts_of(records), WHY: (records.reason,)}

    def is_past(target: str, expected: Parts) -> bool:
        asked = parts.get(target, expected)
        return any(asked.get(part, ()) != values for part, values in expected.items())

    past = [pin for pin in kept.pins if is_past(pin.target, pin.expected)]
    runs = {pin.run_id for pin in past if pin.key == ACCESS}
    past += [pin for pin in kept.pins if pin.key == ACCESS and pin.run_id in runs and pin.target in parts]
    return Kept(
        tuple(pin for pin in kept.pins if pin in past),
        tuple(one for one in kept.overrides if is_past(one.target, {one.attribute: one.expected})),
    )


def by_records(snapshot: PersonSnapshot, target: Target) -> Entry:
    """Return what the records alone ask for: no pins, no overrides, no locks."""
    return _asked(snapshot.without_locks(), target)


def _asked(snapshot: PersonSnapshot, target: Target) -> Entry:
    return desired(snapshot, target.attributes, target.entry_name)


# --- keys and parts -------------------------------------------------------------------------------------------------


def key_of(target: Target, part: str) -> str | None:
    """Return the key that a part of an entry stands below; None for what is the same for everybody.

    Shape:   "sn" -> "surname"; "(enabled)", "idpStatus" -> "access"; "(name)" -> "uid"; "objectClass" -> None
    """
    own = {NAME: target.entry_name, SWITCH: ACCESS, THERE: EXISTENCE}
    if part in own:
        return own[part]
    key = target.attributes.get(part, ())
    if not isinstance(key, str):
        return None
    return ACCESS if BY_KEY[key].follows_access else key


def parts_below(target: Target, key: str) -> list[str]:
    """Return the parts of an entry that stand below a key."""
    return [part for part in (NAME, SWITCH, THERE, *target.attributes) if key_of(target, part) == key]


def parts_of(entry: Entry) -> Parts:
    """Return everything that a target may hold of a person, as attributes; a part without a value is left out."""
    own = {
        NAME: (entry.name,),
        SWITCH: YES if entry.enabled else NO,
        THERE: NO if entry.only_if_present else YES,
    }
    return {**own, **entry.attributes}


def with_values(entry: Entry, values: Parts) -> Entry:
    """Return `entry` with other values of some parts.

    Shape:   {"sn": ("Nowak",), "mail": (), "(enabled)": ("false",)}
    """
    attributes = {**entry.attributes, **{name: own for name, own in values.items() if not name.startswith("(")}}
    return replace(
        entry,
        name=values.get(NAME, (entry.name,))[0],
        enabled=values.get(SWITCH, YES if entry.enabled else NO) == YES,
        only_if_present=values.get(THERE, NO if entry.only_if_present else YES) == NO,
        attributes=attributes,
    )
