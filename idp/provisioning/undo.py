"""Take a run back: a plan of its own that puts back what the run changed, attribute by attribute.

Only what is still as the run left it is put back, and only what we manage: what somebody changed since stays and is
listed. While the records go on asking for what was taken back, they are not obeyed in that (idp.provisioning.wanted);
as soon as they say something else, that flows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, new_id, record
from idp.db.locks import exclusive
from idp.errors import Conflict, NotFound
from idp.people.catalogue import BY_KEY
from idp.people.change_queries import mark_many_dirty
from idp.people.status import Access
from idp.provisioning import run_queries as runs
from idp.provisioning.desired import desired
from idp.provisioning.held_queries import UNDO, Held, held_by_run, hold, let_go
from idp.provisioning.planning import LOCK, Draft, add_to, population_of, seal
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import PersonRecords, load_records
from idp.provisioning.run_queries import ChangeRow, FindingRow, Run, TargetSummary
from idp.provisioning.state_queries import Desire, desire, doubt
from idp.provisioning.target import Target
from idp.provisioning.values import Change, Entry, Finding
from idp.provisioning.wanted import NO, SWITCH, THERE, WHY, YES, by_records, parts_of, wanted_entry, with_values

WRITTEN = (runs.DONE, runs.UNVERIFIED)  # changes of which something may stand in the target
UNDO_OF = "undo: "  # before the reason of the change that is taken back
Progress = Callable[[int], None]


# --- plan -----------------------------------------------------------------------------------------------------------


def make_undo(
    provisioner: Provisioner,
    run_id: str,
    actor: str,
    *,
    remove_created: bool = False,
    progress: Progress = lambda _: None,
) -> Run:
    """Return a plan that puts back what a run changed; its findings are what cannot be put back.

    Shape:   remove_created: entries that are still as the run made them are removed; else they are locked and stay
    Raises:  NotFound; Conflict when the run never wrote anything, will go on by itself, or is a merge;
             TargetUnavailable
    Effect:  a stored plan, to be applied like any other; nothing is written to a target
    """
    with exclusive(provisioner.databases, LOCK):
        undone = _undoable(provisioner, run_id)
        draft = Draft(new_id())
        with provisioner.databases.identity.write() as connection:
            at = provisioner.clock.now()
            runs.begin_plan(connection, draft.run_id, at, actor, kind=runs.UNDO, undoes=run_id)
        for kind in undone.summary:
            if kind in provisioner.targets:
                _plan_one(provisioner, provisioner.targets[kind], undone, draft, remove_created, progress)
            else:
                _note_missing(provisioner, kind, draft)
        return seal(provisioner, draft, actor)


def _undoable(provisioner: Provisioner, run_id: str) -> Run:
    with provisioner.databases.identity.read() as connection:
        run = runs.load_run(connection, run_id)
        counts = runs.count_changes(connection, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    if run.kind == runs.MERGE:
        raise Conflict("a merge is taken back with `idp people unmerge`")
    if run.goes_on:  # it would write again what was taken back
        raise Conflict(f"run {run_id} is at work, or goes on by itself; pause or cancel it first")
    if not any(counts.get(state) for state in WRITTEN):
        raise Conflict(f"run {run_id} has written nothing")
    return run


def _note_missing(provisioner: Provisioner, kind: str, draft: Draft) -> None:
    draft.number += 1
    finding = FindingRow(draft.number, kind, "", "", "not undone: the settings do not have this target any more")
    with provisioner.databases.identity.write() as connection:
        runs.add_to_plan(connection, draft.run_id, [], [finding])
    draft.summary[kind] = TargetSummary(0, {}, 1)


def _plan_one(
    provisioner: Provisioner, target: Target, undone: Run, draft: Draft, remove_created: bool, progress: Progress
) -> None:
    counts: Counter[str] = Counter()
    findings = 0
    for rows in _written_rows(provisioner, undone.run_id, target.kind):
        ids = [row.person_id for row in rows]
        there = {entry.person_id: entry for entry in target.read(ids)}
        with provisioner.databases.identity.read() as connection:
            seen = {
                str(each.snapshot.person_id): each
                for each in load_records(connection, ids, provisioner.people, provisioner.today())
            }
        backs = [
            take_back(row, there.get(row.person_id), seen.get(row.person_id), target, remove_created) for row in rows
        ]
        changes = [
            (replace(back.change, reason=UNDO_OF + cause_of(row)), "")
            for row, back in zip(rows, backs, strict=True)
            if back.change is not None
        ]
        found = [finding for back in backs for finding in back.left]
        add_to(provisioner, target, draft, changes, found)
        counts.update(change.kind.value for change, _ in changes)
        findings += len(found)
        progress(len(rows))
    draft.summary[target.kind] = TargetSummary(population_of(provisioner, target), dict(counts), findings)


def _written_rows(provisioner: Provisioner, run_id: str, target: str) -> Iterator[list[ChangeRow]]:
    for state in WRITTEN:
        last = -1
        while rows := _rows(provisioner, run_id, target, state, last):
            last = rows[-1].number
            yield rows


def _rows(provisioner: Provisioner, run_id: str, target: str, state: str, after: int) -> list[ChangeRow]:
    with provisioner.databases.identity.read() as connection:
        return runs.changes_of(connection, run_id, after=after, state=state, target=target)


# --- one person -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Back:
    """How one change is taken back, and what of it is left."""

    change: Change | None
    left: tuple[Finding, ...] = ()


def take_back(
    row: ChangeRow, found: Entry | None, seen: PersonRecords | None, target: Target, remove_created: bool
) -> Back:
    """Return what takes one change back from what the target has now. Pure.

    Shape:   sn Kowalska -> Nowak, and the target has Nowak: a change to Kowalska; it has Zając: left as it is
    """
    before, after = sides(row)
    match before, after:
        case None, Entry():
            return _take_back_entry(row, after, found, seen, target, remove_created)
        case Entry(), None:
            return _bring_back_entry(row, before, found, seen)
        case Entry(), Entry():
            return _take_back_values(row, before, after, found, seen, target)
    return Back(None)


def cause_of(row: ChangeRow) -> str:
    """Return why a change was made; of an undo, and of an undo of one, why the first of them was."""
    return row.reason.removeprefix(UNDO_OF)


def why_shut(row: ChangeRow, seen: PersonRecords | None) -> str:
    """Return what speaks against letting in by taking this change back, or ""."""
    if seen is None:
        return "our records do not know this person any more"
    if seen.snapshot.is_locked:
        return "a human holds the account"
    if seen.snapshot.may_sign_in or seen.snapshot.status.reason == cause_of(row):
        return ""
    return f"the records close the account for another reason by now: {seen.snapshot.status.reason}"


def _take_back_values(
    row: ChangeRow, before: Entry, after: Entry, found: Entry | None, seen: PersonRecords | None, target: Target
) -> Back:
    if found is None:
        return Back(None, (_left(row, "has no entry any more"),))
    was, written, now = parts_of(before), parts_of(after), parts_of(found)
    differing = [name for name in dict.fromkeys([*was, *written]) if was.get(name, ()) != written.get(name, ())]
    back: dict[str, tuple[str, ...]] = {}
    left: list[str] = []
    for name in differing:
        if now.get(name, ()) == was.get(name, ()):
            continue
        # What is the same for everybody says nothing about a person, and servers do not take object classes away.
        if now.get(name, ()) == written.get(name, ()) and isinstance(target.attributes.get(name, ""), str):
            back[name] = was.get(name, ())
        else:
            left.append(name)
    if left and SWITCH in differing:
        back = {}  # half a way back might open an account whose status says that it is shut
    findings = (_left(row, f"{', '.join(left)} changed since"),) if left else ()
    if not back:
        return Back(None, findings)
    if back.get(SWITCH) == YES and (why := why_shut(row, seen)):
        return Back(None, (*findings, _left(row, why)))
    return Back(Change.update(found, with_values(found, back)), findings)


def _take_back_entry(
    row: ChangeRow, made: Entry, found: Entry | None, seen: PersonRecords | None, target: Target, remove_created: bool
) -> Back:
    """Return what takes an entry's making back: a lock, since a removal would take the password with it.

    Shape:   remove_created: what is still as the run made it goes; whoever changed it since may need it
    """
    if found is None:
        return Back(None)
    lock = _lock(seen, target) if seen else {}
    is_as_made = found in (made, with_values(made, lock))  # an earlier undo may have locked it
    is_removable = bool(target.attributes)  # who manages the switch alone, has nothing else to take away
    if remove_created and is_removable and is_as_made:
        return Back(Change.remove(found, row.reason))
    why = "locked, it stays (--remove takes it away)" if is_as_made else "it changed since, so it is locked and stays"
    stays = (_left(row, f"was made by the run: {why}"),) if is_removable else ()
    if not found.enabled:
        return Back(None, stays)
    if seen is None:
        return Back(None, (_left(row, "was made by the run, and our records do not know this person any more"),))
    return Back(Change.update(found, with_values(found, lock)), stays)


def _lock(seen: PersonRecords, target: Target) -> dict[str, tuple[str, ...]]:
    """Return what shuts an entry: the switch, and what says what somebody is and may."""
    shut = replace(seen.snapshot.status, affiliations=(), primary_affiliation="", access=Access.SUSPENDED)
    locked = parts_of(desired(msgspec.structs.replace(seen.snapshot, status=shut), target.attributes))
    return {**{name: locked.get(name, ()) for name in _follows_access(target)}, SWITCH: NO}


def _follows_access(target: Target) -> Iterator[str]:
    """Yield the attributes that say what somebody is and may: they go with the lock."""
    for name, made_of in target.attributes.items():
        if isinstance(made_of, str) and BY_KEY[made_of].follows_access:
            yield name


def _bring_back_entry(row: ChangeRow, before: Entry, found: Entry | None, seen: PersonRecords | None) -> Back:
    if found is not None:
        return Back(None, (_left(row, "has an entry again"),))
    if before.enabled and (why := why_shut(row, seen)):
        return Back(None, (_left(row, why),))
    return Back(Change.create(before), (_left(row, "comes back without a password, which went with the entry"),))


def _left(row: ChangeRow, why: str) -> Finding:
    return Finding(row.person_id, row.name, f"not undone: {why}"[:200])


def sides(row: ChangeRow) -> tuple[Entry | None, Entry | None]:
    """Return what a change found and what it left."""
    before, after = (Entry.from_json(row.person_id, text) if text else None for text in (row.before, row.after))
    return before, after


# --- while it is applied ---------------------------------------------------------------------------------------------


def overtaken(provisioner: Provisioner, target: Target, rows: Sequence[ChangeRow]) -> dict[int, str]:
    """Return by number the changes of an undo that are not to be made any more, and why.

    Shape:   what stands as the change would leave it is none of them: it was made before, its outcome lost by a kill
    Raises:  TargetUnavailable, TargetRejected
    """
    ids = [row.person_id for row in rows]
    there = {entry.person_id: entry for entry in target.read(ids)}
    with provisioner.databases.identity.read() as connection:  # later than the target: a hold comes before its lock
        loaded = load_records(connection, ids, provisioner.people, provisioner.today())
    seen = {str(each.snapshot.person_id): each for each in loaded}
    found: dict[int, str] = {}
    for row in rows:
        before, after = sides(row)
        if (entry := there.get(row.person_id)) == after:
            continue
        if entry != before:
            found[row.number] = "changed since this undo was planned"
        elif _lets_in(before, after) and (why := why_shut(row, seen.get(row.person_id))):
            found[row.number] = why
    return found


def _lets_in(before: Entry | None, after: Entry | None) -> bool:
    return after is not None and after.enabled and not (before is not None and before.enabled)


def hold_back(
    connection: Connection, provisioner: Provisioner, run: Run, target: Target, done: Sequence[ChangeRow], at: datetime
) -> None:
    """Have what these changes of an undo took back stay taken back while the records go on asking for it.

    Effect:  held values, and what is desired with them, in the caller's transaction; a repeat is harmless
    """
    by_person = {row.person_id: row for row in done}
    desires: list[Desire] = []
    for each in load_records(connection, sorted(by_person), provisioner.people, provisioner.today()):
        row = by_person[each.snapshot.person_id]
        records = by_records(each, target)
        asked = {**parts_of(records), WHY: (records.reason,)}
        taken = list(_taken(row))
        names = {name for name, _, _ in taken}
        if SWITCH in names:
            names.add(WHY)
        touched = [one for one in each.held if one.target == target.kind and one.attribute in names]
        fresh = tuple(
            Held(target.kind, row.person_id, name, ours, held, UNDO, run.undoes or "", at)
            for name, ours, held in taken
            if asked.get(name, ()) == ours
        )
        if any(name == WHY and ours != asked[WHY] for name, ours, _ in taken) and not records.enabled:
            fresh = ()  # closed for another reason while we wrote: nothing is held against that
        let_go(connection, touched)
        hold(connection, fresh)
        kept = tuple(one for one in each.held if one not in touched)
        entry = wanted_entry(replace(each, held=kept + fresh), target, provisioner.targets.values())
        desires.append(Desire(entry.person_id, entry.digest, entry.only_if_present))
    desire(connection, target.kind, desires)
    doubt(connection, target.kind, [row.person_id for row in done if row.after is None])


def _taken(row: ChangeRow) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield (attribute, what was taken back, what was put back) of a change of an undo."""
    before, after = sides(row)
    if before is None:
        return
    if after is None:
        yield THERE, YES, NO
        return
    was, put = parts_of(before), parts_of(after)
    for name in dict.fromkeys([*was, *put]):
        if was.get(name, ()) != put.get(name, ()):
            yield name, was.get(name, ()), put.get(name, ())
    if _lets_in(before, after):
        yield WHY, (cause_of(row),), (cause_of(row),)


# --- let go ---------------------------------------------------------------------------------------------------------


def release(provisioner: Provisioner, run_id: str, actor: str) -> int:
    """Return for how many people the records are obeyed again in what was taken back of a run.

    Raises:  NotFound when there is no such run and nothing is held of it
    Effect:  these people are to be looked at; run.released
    """
    at = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        values = held_by_run(connection, run_id)  # they outlive the run, whose rows are deleted some day
        if not values and runs.load_run(connection, run_id) is None:
            raise NotFound(f"there is no run {run_id}, and nothing is held of it")
        people = sorted({one.person_id for one in values})
        let_go(connection, values)
        mark_many_dirty(connection, people)
        if people:
            event = Event(event_types.RUN_RELEASED, subject=run_id, actor=actor, data={"people": len(people)})
            record(connection, at.timestamp(), event)
    return len(people)
