"""Undo a run: a plan of its own that puts back what the run changed, key by key.

A key is put back while all attributes below it are as the run left them. What somebody changed since stays and is
listed. Each key that is put back leaves a pin (idp.provisioning.pins): the records are not obeyed there until they say
something else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.db.locks import exclusive
from idp.errors import Conflict, NotFound
from idp.people.change_queries import queue_recompute
from idp.people.snapshot import PersonSnapshot
from idp.people.status import Access
from idp.permissions import Actor, Permission
from idp.provisioning import run_queries
from idp.provisioning.desired import desired
from idp.provisioning.draft import LOCK, Draft
from idp.provisioning.pin_queries import drop, keep, pins_of_run
from idp.provisioning.pins import (
    ACCESS,
    NO,
    THERE,
    WHY,
    YES,
    Kept,
    Parts,
    Pin,
    by_records,
    key_of,
    parts_below,
    parts_of,
    with_values,
)
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import PersonRecords
from idp.provisioning.removal import OF_STAFF
from idp.provisioning.run import WRITTEN, ChangeRow, Run, RunKind
from idp.provisioning.state_queries import Desired, set_desired
from idp.provisioning.target import Target, entries_named
from idp.provisioning.target_states import Presence
from idp.provisioning.values import Change, Entry, Finding

Progress = Callable[[int], None]


# --- plan -----------------------------------------------------------------------------------------------------------


def make_undo(
    provisioner: Provisioner,
    run_id: str,
    actor: Actor,
    *,
    remove_created: bool = False,
    progress: Progress = lambda _: None,
) -> Run:
    """Return a plan that puts back what a run changed. Its findings are what cannot be put back.

    Shape:   remove_created: entries that are still as the run made them are removed; else they are locked and stay
    Raises:  NotAllowed; NotFound; Conflict when the run never wrote anything, will go on by itself, or is a merge;
             TargetUnavailable
    Effect:  a stored plan, to be applied like any other; nothing is written to a target
    """
    actor.require(Permission.RUNS_UNDO)
    with exclusive(provisioner.databases, LOCK):  # beside a run at work: each change is judged when it is written
        undone = _undoable(provisioner, run_id)
        draft = Draft.begin(provisioner, actor.actor_id, undone.summary, RunKind.UNDO, run_id)
        for kind in undone.summary:
            if kind in provisioner.targets:
                _plan_one(provisioner, provisioner.targets[kind], undone, draft, remove_created, progress)
            else:
                missing = Finding("", "", "not undone: the settings do not have this target any more")
                draft.add(kind, [], [missing])
        return draft.seal()


def _undoable(provisioner: Provisioner, run_id: str) -> Run:
    run = provisioner.read(run_queries.require_run, run_id)
    counts = provisioner.read(run_queries.count_changes, run_id)
    if run.kind == RunKind.MERGE:
        raise Conflict("a merge is ended with `idp people unmerge`")
    if run.goes_on:  # it would write again what is undone
        raise Conflict(f"run {run_id} is at work, or goes on by itself; pause or cancel it first")
    if not any(counts.get(state) for state in WRITTEN):
        raise Conflict(f"run {run_id} has written nothing")
    return run


def _plan_one(
    provisioner: Provisioner, target: Target, undone: Run, draft: Draft, remove_created: bool, progress: Progress
) -> None:
    where = {"state": WRITTEN, "target": target.kind}
    for rows in run_queries.pages_of_changes(provisioner.databases.identity, undone.run_id, **where):
        there = entries_named(target, {row.person_id: row.name for row in rows})
        people = _snapshots_of(provisioner, rows)
        backs = [
            take_back(row, there.get(row.person_id), people.get(row.person_id), target, remove_created) for row in rows
        ]
        changes = [
            replace(back.change, reason=f"undo: {row.cause}", cause=row.cause)
            for row, back in zip(rows, backs, strict=True)
            if back.change is not None
        ]
        draft.add(target.kind, changes, [finding for back in backs for finding in back.left])
        progress(len(rows))


def _snapshots_of(provisioner: Provisioner, rows: Sequence[ChangeRow]) -> dict[str, PersonSnapshot]:
    found = provisioner.records_of([row.person_id for row in rows])
    return {person_id: each.snapshot for person_id, each in found.items()}


# --- one person -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Back:
    """How one change is undone, and what of it cannot be."""

    change: Change | None
    left: tuple[Finding, ...] = ()


def take_back(
    row: ChangeRow, found: Entry | None, person: PersonSnapshot | None, target: Target, remove_created: bool
) -> Back:
    """Return what undoes one change, from what the target has now. Pure.

    Shape:   sn Kowalska -> Nowak, and the target has Nowak: a change to Kowalska; it has Zając: left as it is
    """
    change = row.to_change()
    before, after = change.before, change.after
    match before, after:
        case None, Entry():
            return _take_back_entry(row, after, found, person, target, remove_created)
        case Entry(), None:
            return _bring_back_entry(row, before, found, person)
        case Entry(), Entry():
            return _take_back_values(row, before, after, found, person, target)
    return Back(None)


def why_not_enabled(row: ChangeRow, person: PersonSnapshot | None) -> str:
    """Return what speaks against enabling somebody by undoing this change, or ""."""
    if person is None:
        return "our records do not know this person any more"
    if person.is_locked:
        return "a human locked the account"
    if person.may_sign_in or person.status.reason == row.cause:
        return ""
    return f"the records close the account for another reason by now: {person.status.reason}"


def _take_back_values(
    row: ChangeRow, before: Entry, after: Entry, found: Entry | None, person: PersonSnapshot | None, target: Target
) -> Back:
    if found is None:
        return Back(None, (_left(row, "has no entry any more"),))
    was, written, now = parts_of(before), parts_of(after), parts_of(found)
    changed = _differing(was, written)
    back: dict[str, tuple[str, ...]] = {}
    left: list[str] = []
    findings: list[Finding] = []
    for key in dict.fromkeys(key_of(target, part) for part in changed):
        mine = [part for part in changed if key_of(target, part) == key]
        below = mine if key is None else parts_below(target, key)
        if all(now.get(part, ()) == was.get(part, ()) for part in mine):
            continue
        others = [part for part in below if now.get(part, ()) not in (was.get(part, ()), written.get(part, ()))]
        # What is the same for everybody says nothing about a person, and servers do not take object classes away.
        if key is None or others:
            left += others or mine
            continue
        values = {part: was.get(part, ()) for part in below}
        is_let_in = key == ACCESS and Change.update(found, with_values(found, values)).lets_in
        if is_let_in and (why := why_not_enabled(row, person)):
            findings.append(_left(row, why))
            continue
        back |= values
    if left:
        findings.insert(0, _left(row, f"{', '.join(left)} changed since"))
    change = Change.update(found, with_values(found, back)) if back else None
    return Back(change, tuple(findings))


def _take_back_entry(
    row: ChangeRow,
    made: Entry,
    found: Entry | None,
    person: PersonSnapshot | None,
    target: Target,
    remove_created: bool,
) -> Back:
    """Return what undoes the making of an entry: a lock, since a removal would take the password with it.

    Shape:   remove_created: an entry that is still as the run made it is removed; one that changed since is needed
    """
    if found is None:
        return Back(None)
    lock = _lock(person, target) if person else {}
    is_as_made = found in (made, with_values(made, lock))  # an earlier undo may have locked it
    # A target that manages access alone has nothing else to remove. Entries of staff are never removed.
    is_removable = bool(target.attributes) and not (person and person.is_staff)
    if remove_created and is_removable and is_as_made:
        return Back(Change.remove(found, row.cause))
    why = "it stays, locked (--remove removes it)" if is_as_made else "it changed since, so it stays, locked"
    stays = (_left(row, f"the run created it: {why}"),) if is_removable else ()
    if not found.enabled:
        return Back(None, stays)
    if person is None:
        return Back(None, (_left(row, "the run created it, and our records no longer have this person"),))
    return Back(Change.update(found, with_values(found, lock)), stays)


def _lock(person: PersonSnapshot, target: Target) -> Parts:
    """Return the access of somebody who may do nothing: disabled, and nothing that says what they are and may."""
    status = replace(person.status, affiliations=(), primary_affiliation="", access=Access.SUSPENDED)
    shut = desired(msgspec.structs.replace(person, status=status), target.attributes, target.entry_name)
    return {part: parts_of(shut).get(part, ()) for part in parts_below(target, ACCESS)}


def _bring_back_entry(row: ChangeRow, before: Entry, found: Entry | None, person: PersonSnapshot | None) -> Back:
    if found is not None:
        return Back(None, (_left(row, "has an entry again"),))
    if before.enabled and (why := why_not_enabled(row, person)):
        return Back(None, (_left(row, why),))
    return Back(Change.create(before), (_left(row, "comes back without a password, which went with the entry"),))


def _left(row: ChangeRow, why: str) -> Finding:
    return Finding(row.person_id, row.name, f"not undone: {why}"[:200])


def _differing(one: Parts, other: Parts) -> list[str]:
    return [part for part in dict.fromkeys([*one, *other]) if one.get(part, ()) != other.get(part, ())]


# --- while it is applied ---------------------------------------------------------------------------------------------


def overtaken(provisioner: Provisioner, target: Target, rows: Sequence[ChangeRow]) -> dict[int, str]:
    """Return by number the changes of an undo that must not be made any more, and why.

    Shape:   what stands as the change would leave it is none of them: it was made before, its outcome lost by a kill
    Raises:  TargetUnavailable, TargetRejected
    """
    there = entries_named(target, {row.person_id: row.name for row in rows})
    people = _snapshots_of(provisioner, rows)  # after the target: a lock is a row before it is written
    found: dict[int, str] = {}
    for row in rows:
        change, entry, person = row.to_change(), there.get(row.person_id), people.get(row.person_id)
        if entry == change.after:
            continue
        if entry != change.before:
            found[row.number] = "changed since this undo was planned"
        elif change.after is None and person is not None and person.is_staff:
            found[row.number] = OF_STAFF
        elif change.lets_in and (why := why_not_enabled(row, person)):
            found[row.number] = why
    return found


def pin_undone(
    connection: Connection, provisioner: Provisioner, run: Run, target: Target, done: Sequence[ChangeRow], at: datetime
) -> None:
    """Pin what these changes of an undo put back, while the records go on asking for what was there before.

    Effect:  pins, and what is desired with them, in the caller's transaction; a repeat is harmless
    """
    by_person = {row.person_id: row for row in done}
    desires: list[Desired] = []
    for person in provisioner.load(connection, sorted(by_person)):
        row = by_person[person.snapshot.person_id]
        old, new = pins_of_undo(row, person, target, run.undoes or "", at)
        drop(connection, [Kept(pins=old)])
        keep(connection, Kept(pins=new))
        kept = Kept((*(pin for pin in person.kept.pins if pin not in old), *new), person.kept.overrides)
        entry = provisioner.effective_entry(replace(person, kept=kept), target)
        desires.append(Desired(entry.person_id, entry.digest, Presence.of(entry.only_if_present)))
    set_desired(connection, target.kind, desires, at)


def pins_of_undo(
    row: ChangeRow, person: PersonRecords, target: Target, run_id: str, at: datetime
) -> tuple[tuple[Pin, ...], tuple[Pin, ...]]:
    """Return the pins that a change of an undo ends, and those that it leaves. Pure.

    Shape:   a key whose result equals the records needs no pin: an undo of an undo ends what the first one left
    """
    change = row.to_change()
    before, after = change.before, change.after
    was: Parts = {THERE: YES if before else NO}
    put: Parts = {THERE: YES if after else NO}
    if before and after:
        was, put = parts_of(before), parts_of(after)
    keys = {key for part in _differing(was, put) if (key := key_of(target, part)) is not None}
    old = tuple(pin for pin in person.kept.pins if pin.target == target.kind and pin.key in keys)
    records = by_records(person.snapshot, target)
    parts = parts_of(records)
    overridden = {each.attribute for each in person.kept.overrides if each.target == target.kind}
    new: list[Pin] = []
    for key in sorted(keys):
        below = [part for part in parts_below(target, key) if part not in overridden]
        kept = {part: put.get(part, ()) for part in below if put.get(part, ()) != parts.get(part, ())}
        expected = {part: parts.get(part, ()) for part in below}
        if not kept or any(was.get(part, ()) != values for part, values in expected.items()):
            continue  # the records ask for the result, or for something else by now: they are obeyed
        if key == ACCESS and change.lets_in:
            if records.reason != row.cause:
                continue  # closed for another reason while we wrote
            expected[WHY] = (records.reason,)
        new.append(Pin(target.kind, row.person_id, key, expected, kept, run_id, at))
    return old, tuple(new)


# --- end the pins of a run ------------------------------------------------------------------------------------------


def drop_pins(provisioner: Provisioner, run_id: str, actor: Actor) -> int:
    """Obey the records again in what was undone of a run, and return for how many people.

    Raises:  NotAllowed; NotFound when there is no such run and no pin of it
    Effect:  these people are compared again; run.pins_dropped
    """
    actor.require(Permission.RUNS_UNDO)
    with provisioner.databases.identity.write() as connection:
        pins = pins_of_run(connection, run_id)  # they outlive the run, whose rows are deleted some day
        if not pins and run_queries.load_run(connection, run_id) is None:
            raise NotFound(f"there is no run {run_id}, and no pin of it")
        people = sorted({pin.person_id for pin in pins})
        drop(connection, [Kept(pins=tuple(pins))])
        queue_recompute(connection, people)
        if people:
            event = Event(event_types.RUN_PINS_DROPPED, run_id, actor.actor_id, data={"people": len(people)})
            record(connection, provisioner.clock.timestamp(), event)
    return len(people)
