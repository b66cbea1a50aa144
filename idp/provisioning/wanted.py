"""What a target should have of a person: what the records ask for, but for values that are held against them.

Values are held after an undo, and where drift is left alone on purpose. A held value is in force only
while the records still ask for what was taken back or overruled: as soon as they say something else, that flows. A door
that an undo holds open is held against one reason alone: whoever is to be closed for another one, or by a human, is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from idp.provisioning.desired import desired
from idp.provisioning.held_queries import Held
from idp.provisioning.records import PersonRecords
from idp.provisioning.target import Target
from idp.provisioning.values import NAME as NAME
from idp.provisioning.values import SWITCH as SWITCH
from idp.provisioning.values import Entry

# What else an entry has besides attributes, in the words of a plan.
PLACE, THERE = "(place)", "(there)"
# Held with an open switch, only to be compared: why the records close the person that stays open.
WHY = "(why)"
YES, NO = ("true",), ("false",)


def wanted_entry(seen: PersonRecords, target: Target, targets: Iterable[Target]) -> Entry:
    """Return what `target`, one of `targets`, should have of a person."""
    asked = desired(seen.snapshot, target.attributes)
    mine = [one for one in seen.held if one.target == target.kind]
    if not mine:
        return asked
    ended = _ended_undos(seen.held, {each.kind: desired(seen.snapshot, each.attributes) for each in targets})
    return with_values(asked, {one.attribute: one.held for one in in_force(asked, mine) if one.run_id not in ended})


def by_records(seen: PersonRecords, target: Target) -> Entry:
    """Return what the records alone ask for of a person: nothing is held back, and no human holds the account."""
    return desired(seen.snapshot.without_locks(), target.attributes)


def in_force(asked: Entry, held: Sequence[Held]) -> list[Held]:
    """Return those values that count: the records still ask for what they stand against.

    Whether somebody may sign in and the attributes that say so belong together: where an undo holds the switch, one
    value that the records changed ends all that this undo holds of the person. A door is never held open by half. Nor
    against a new reason (a hold, a strike-off, the end of studies), although the words in a target may be the same.
    """
    parts = {**parts_of(asked), WHY: (asked.reason,)}
    found: list[Held] = []
    for run_id, group in groupby(sorted(held, key=lambda one: one.run_id), key=lambda one: one.run_id):
        of_run = list(group)
        true = [one for one in of_run if parts.get(one.attribute, ()) == one.ours]
        is_whole = len(true) == len(of_run)
        holds_switch = any(one.attribute == SWITCH for one in of_run)
        if is_whole or not (run_id and holds_switch):
            found += true
    return found


def _ended_undos(held: Sequence[Held], asked: Mapping[str, Entry]) -> set[str]:
    """Return the undone runs whose door the records have left behind in any target: so it is in all of them."""
    ended: set[str] = set()
    for kind, entry in asked.items():
        if mine := [one for one in held if one.target == kind]:
            true = in_force(entry, mine)
            ended |= {one.run_id for one in mine if one.attribute == SWITCH and one.run_id and one not in true}
    return ended


def parts_of(entry: Entry) -> Mapping[str, tuple[str, ...]]:
    """Return everything that a target may hold of a person, as attributes; nothing stands for no value."""
    own = {
        NAME: (entry.name,),
        SWITCH: YES if entry.enabled else NO,
        PLACE: (entry.place,),
        THERE: NO if entry.only_if_present else YES,
    }
    return {**own, **entry.attributes}


def with_values(entry: Entry, values: Mapping[str, tuple[str, ...]]) -> Entry:
    """Return `entry` with other values of some attributes.

    Shape:   {"sn": ("Nowak",), "mail": (), "(enabled)": ("false",)}
    """
    attributes = {**entry.attributes, **{name: own for name, own in values.items() if not name.startswith("(")}}
    return replace(
        entry,
        name=values.get(NAME, (entry.name,))[0],
        enabled=values.get(SWITCH, YES if entry.enabled else NO) == YES,
        place=values.get(PLACE, (entry.place,))[0],
        only_if_present=values.get(THERE, NO if entry.only_if_present else YES) == NO,
        attributes=attributes,
    )


def out_of_force(seen: PersonRecords, targets: Iterable[Target]) -> list[Held]:
    """Return held values that the records have left behind: they may be forgotten.

    What a human's hold keeps from being in force is not forgotten: it counts again when the human lets go.
    """
    if not seen.held:
        return []
    asked = {target.kind: by_records(seen, target) for target in targets}
    ended = _ended_undos(seen.held, asked)
    gone: list[Held] = []
    for kind, entry in asked.items():
        if mine := [one for one in seen.held if one.target == kind]:
            true = in_force(entry, mine)
            gone += [one for one in mine if one not in true or one.run_id in ended]
    return gone
