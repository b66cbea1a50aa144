"""Find drift: what others changed in a target. It is repaired, reported or adopted, attribute by attribute.

Only the lock of closed entries is written here. An entry to repair is in doubt, so the next guarded run writes it. A
reported or adopted value becomes an override. Attributes that we do not manage, and entries that are not ours, are not
read.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import structlog

from idp.audit import event_types
from idp.audit.events import Event, record, record_all
from idp.db.locks import exclusive
from idp.errors import Conflict, NotFound, TargetError, TargetRejected
from idp.people.change_queries import queue_recompute
from idp.permissions import SYSTEM, Actor, Permission
from idp.provisioning.drift_queries import cursor_of, keep_cursor
from idp.provisioning.pin_queries import drop, keep, kept_among
from idp.provisioning.pins import NOTHING_KEPT, Kept, Override, Parts, by_records, effective_entry, parts_of
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import recompute
from idp.provisioning.records import PersonRecords, load_records
from idp.provisioning.state_queries import (
    Observed,
    TargetState,
    forget_remote_ids,
    keep_remote_ids,
    mark_in_doubt,
    note_shown,
    people_of_remote_ids,
    remote_ids_among,
    states_among,
    without_remote_id,
)
from idp.provisioning.target import ObservedChange, ReadsChanges, Target, digests_in, entries_named
from idp.provisioning.values import Change, Entry, Kind
from idp.provisioning.writer import TargetWriter, Write

REPAIR, REPORT, ADOPT = "repair", "report", "adopt"
CHUNK = 500  # people in memory
log = structlog.get_logger()
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute of one person that somebody else changed, and what becomes of it."""

    target: str
    person_id: str
    name: str  # what the target knows the entry by
    attribute: str
    ours: tuple[str, ...]
    found: tuple[str, ...]
    policy: str  # repair | report | adopt


@dataclass
class DriftReport:
    """What was found in one target."""

    target: str
    is_whole: bool = False  # it was read whole: the first time, on request, or since it could not tell what changed
    entries_read: int = 0
    differences: list[Difference] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # people whose entry is gone, or is not ours any more
    orphans: list[str] = field(default_factory=list)  # entries with our mark, and no person in our records
    still_differing: list[str] = field(default_factory=list)  # people known to differ since earlier
    relocked: int = 0  # closed entries that others wrote to: their lock was written again

    @property
    def people(self) -> set[str]:
        """People in whom something new was found."""
        return {one.person_id for one in self.differences} | set(self.lost)


# --- look -----------------------------------------------------------------------------------------------------------


def find_drift_everywhere(provisioner: Provisioner, *, whole: bool = False, actor: Actor = SYSTEM) -> list[DriftReport]:
    """Return the drift in every target that tells its changes; with `whole`, in every target, each read whole.

    Raises:  NotAllowed; TargetUnavailable, TargetRejected; Conflict when somebody else looks now
    """
    actor.require(Permission.DRIFT_MANAGE)
    return [
        find_drift(provisioner, kind, whole=whole, actor=actor)
        for kind, target in provisioner.targets.items()
        if whole or isinstance(target, ReadsChanges)
    ]


def find_drift(provisioner: Provisioner, kind: str, *, whole: bool = False, actor: Actor = SYSTEM) -> DriftReport:
    """Return the drift in one target since the last look.

    Raises:  NotAllowed; TargetUnavailable, TargetRejected; Conflict when somebody else looks now
    Effect:  an entry to repair is in doubt, an accepted value is an override; drift.found, drift.entry_lost. The next
             look goes on from here. A repeat finds nothing new
    """
    actor.require(Permission.DRIFT_MANAGE)
    target = provisioner.targets[kind]
    with exclusive(provisioner.databases, f"drift-{kind}"):
        found = DriftReport(kind)
        found.is_whole = whole or not _look_at_changes(provisioner, target, found, actor.actor_id)
        if found.is_whole:
            _look_at_everybody(provisioner, target, found, actor.actor_id, or_none=whole)
    return found


def _look_at_changes(provisioner: Provisioner, target: Target, found: DriftReport, actor: str) -> bool:
    """Go through what a target says has changed; False when it must be read whole."""
    if not isinstance(target, ReadsChanges):
        return False
    with provisioner.databases.identity.read() as connection:
        cursor = cursor_of(connection, target.kind)
    changes = target.changes_since(cursor) if cursor else None
    if changes is None:
        return False
    for some in _chunks(changes.changed):
        _keep_remote_ids(provisioner, target, [(one.entry.person_id, one.remote_id) for one in some])
        _judge(provisioner, target, [one.entry for one in some], found, actor)
        _lock_again(provisioner, target, some, found, actor)
    if changes.gone:
        _judge_gone(provisioner, target, changes.gone, found, actor)
    with provisioner.databases.identity.write() as connection:
        keep_cursor(connection, target.kind, changes.cursor, provisioner.clock.now())
    return True


def _look_at_everybody(
    provisioner: Provisioner, target: Target, found: DriftReport, actor: str, *, or_none: bool
) -> None:
    # The cursor first: what changes while we read is told again by the next look.
    cursor = _cursor_now(target, or_none=or_none)
    if isinstance(target, ReadsChanges):
        for pairs in _chunks(target.remote_ids()):
            _keep_remote_ids(provisioner, target, pairs)
    with provisioner.databases.identity.read() as connection:
        observed = Observed(connection, target.kind)
        found.entries_read += observed.add(digests_in(target))
        for some in _chunks(person_id for person_id, _ in observed.false_unknowingly()):
            _judge(provisioner, target, _read(provisioner, target, some), found, actor, is_first=False)
        for some in _chunks(person_id for person_id, _ in observed.gone()):
            _judge_missing(provisioner, target, some, found, actor)
        found.orphans += observed.strangers()
        known = {*found.people, *found.orphans}
        found.still_differing += [one for one, _ in observed.differing() if one not in known]
    if cursor:
        with provisioner.databases.identity.write() as connection:
            keep_cursor(connection, target.kind, cursor, provisioner.clock.now())


def _read(provisioner: Provisioner, target: Target, person_ids: Sequence[str]) -> list[Entry]:
    """Return some people's entries, found by the names that they should have."""
    with provisioner.databases.identity.read() as connection:
        people = load_records(connection, person_ids, provisioner.people, provisioner.today())
    names = {str(each.snapshot.person_id): _effective(provisioner, each, target).name for each in people}
    return list(target.read(person_ids, names))


def _cursor_now(target: Target, *, or_none: bool) -> str:
    """Return where the next look goes on; "" where the target cannot tell and somebody asked for a whole look."""
    if not isinstance(target, ReadsChanges):
        return ""
    try:
        return target.cursor_now()
    except TargetRejected:
        if or_none:
            return ""
        raise  # a whole look every minute is not what anybody asked for


# --- entries that are there -----------------------------------------------------------------------------------------


def _judge(
    provisioner: Provisioner,
    target: Target,
    entries: Sequence[Entry],
    found: DriftReport,
    actor: str,
    *,
    is_first: bool = True,
) -> None:
    """Find which entries somebody else changed, and what becomes of that."""
    found.entries_read += len(entries) if is_first else 0
    by_person = {entry.person_id: entry for entry in entries}
    ids = sorted(by_person)
    with provisioner.databases.identity.read() as connection:
        loaded = load_records(connection, ids, provisioner.people, provisioner.today())
        states = states_among(connection, target.kind, ids)
    people = {str(each.snapshot.person_id): each for each in loaded}
    found.orphans += [by_person[person_id].name for person_id in ids if person_id not in people]
    suspects = [
        person_id
        for person_id in people
        if (state := states.get(person_id)) and state.applied not in (None, by_person[person_id].digest)
    ]
    if not suspects:
        return
    # What we were told may be older than our own last write: only what is otherwise now is somebody else's.
    names = {person_id: by_person[person_id].name for person_id in suspects}
    now = entries_named(target, names)
    with provisioner.databases.identity.read() as connection:
        states_now = states_among(connection, target.kind, suspects)
    drifted: list[tuple[PersonRecords, Entry]] = []
    unclear: list[str] = []
    as_desired: list[tuple[str, str]] = []
    for person_id in suspects:
        if person_id not in now:
            continue
        entry, state = now[person_id], states_now[person_id]
        if entry.digest == state.applied:
            continue
        if entry.digest == state.desired:  # our own write, not noted yet
            as_desired.append((person_id, entry.digest))
        elif state == states[person_id] and _is_settled(provisioner, people[person_id], target, state):
            drifted.append((people[person_id], entry))
        else:  # the records changed, too: nobody can tell by whom an attribute differs, so all of it is repaired
            unclear.append(person_id)
    if as_desired or unclear:
        with provisioner.databases.identity.write() as connection:
            note_shown(connection, target.kind, as_desired, provisioner.clock.now())
            mark_in_doubt(connection, target.kind, unclear, provisioner.clock.now())
    if drifted:
        _settle(provisioner, target, drifted, found, actor)


def _is_settled(provisioner: Provisioner, person: PersonRecords, target: Target, state: TargetState) -> bool:
    """Return whether what the records ask for now is what we wrote last."""
    return state.applied == state.desired == _effective(provisioner, person, target).digest


def _effective(provisioner: Provisioner, person: PersonRecords, target: Target) -> Entry:
    return effective_entry(person.snapshot, target, person.kept, provisioner.targets.values())


def _settle(
    provisioner: Provisioner,
    target: Target,
    drifted: Sequence[tuple[PersonRecords, Entry]],
    found: DriftReport,
    actor: str,
) -> None:
    policies: Mapping[str, str] = target.drift if isinstance(target, ReadsChanges) else {}
    now = provisioner.clock.now()
    differences = [
        one
        for person, entry in drifted
        for one in differences_of(_effective(provisioner, person, target), entry, target.kind, policies)
    ]
    records = {str(person.snapshot.person_id): parts_of(by_records(person.snapshot, target)) for person, _ in drifted}
    repaired = {one.person_id for one in differences if one.policy == REPAIR}
    ids = sorted({str(person.snapshot.person_id) for person, _ in drifted})
    with provisioner.databases.identity.write() as connection:
        keep(connection, Kept(overrides=tuple(_overrides(differences, records, now))))
        # Even where nothing is to be repaired: only a recomputation says that they are as desired now.
        mark_in_doubt(connection, target.kind, ids, now)
        queue_recompute(connection, ids)
        record_all(connection, now.timestamp(), _events(differences, actor))
    recompute(provisioner, ids)
    with provisioner.databases.identity.read() as connection:
        again = load_records(connection, ids, provisioner.people, provisioner.today())
    as_left = {entry.person_id: entry for _, entry in drifted if entry.person_id not in repaired}
    as_desired = [
        (entry.person_id, entry.digest)
        for each in again
        if (entry := as_left.get(each.snapshot.person_id)) and _effective(provisioner, each, target) == entry
    ]
    with provisioner.databases.identity.write() as connection:
        note_shown(connection, target.kind, as_desired, now)
    found.differences += differences


def _overrides(differences: Iterable[Difference], records: Mapping[str, Parts], at: datetime) -> Iterator[Override]:
    """Yield what is accepted as found. A value that the records ask for needs no override."""
    for one in differences:
        expected = records[one.person_id].get(one.attribute, ())
        if one.policy != REPAIR and one.found != expected:
            yield Override(one.target, one.person_id, one.attribute, expected, one.found, one.policy, at)


def differences_of(effective: Entry, observed: Entry, target: str, policies: Mapping[str, str]) -> Iterator[Difference]:
    """Yield what differs from the effective entry, and what becomes of it. Pure.

    Shape:   policies {"displayName": "adopt"}; what is not named, and everything about a closed entry, is repaired
    """
    should = parts_of(effective)
    has = parts_of(replace(observed, only_if_present=effective.only_if_present))
    for name in dict.fromkeys([*should, *has]):
        if should.get(name, ()) != has.get(name, ()):
            policy = policies.get(name, REPAIR)
            values = (should.get(name, ()), has.get(name, ()))
            yield Difference(target, observed.person_id, observed.name, name, *values, policy)


def _events(differences: Iterable[Difference], actor: str) -> Iterator[Event]:
    """Which attributes, not their values: those stand in the plan, or in the override."""
    for person_id, group in itertools.groupby(differences, key=lambda one: one.person_id):
        mine = list(group)
        data: dict[str, object] = {"target": mine[0].target}
        for policy in (REPAIR, REPORT, ADOPT):
            if names := [one.attribute for one in mine if one.policy == policy]:
                data[policy] = names
        yield Event(event_types.DRIFT_FOUND, subject=person_id, actor=actor, data=data)


def _lock_again(
    provisioner: Provisioner, target: Target, some: Sequence[ObservedChange], found: DriftReport, actor: str
) -> None:
    """Write the lock of closed entries that somebody else wrote to: it cannot be read, so it is not compared."""
    touched = [one.entry for one in some if one.by_others and not one.entry.enabled]
    with provisioner.databases.identity.read() as connection:
        states = states_among(connection, target.kind, [entry.person_id for entry in touched])
    closed = [entry for entry in touched if (state := states.get(entry.person_id)) and state.desired == entry.digest]
    if not closed:
        return
    writes = [Write(Change(Kind.DISABLE, entry.person_id, entry, entry, "drift")) for entry in closed]
    outcomes = TargetWriter(provisioner, target, actor).write(writes)
    locked = [write.person_id for write, outcome in outcomes if outcome.error is None]
    found.relocked += len(locked)
    data = {"target": target.kind, "locked_again": True}
    with provisioner.databases.identity.write() as connection:
        events = (Event(event_types.DRIFT_FOUND, subject=person_id, actor=actor, data=data) for person_id in locked)
        record_all(connection, provisioner.clock.timestamp(), events)


# --- entries that are gone ------------------------------------------------------------------------------------------


def _judge_gone(
    provisioner: Provisioner, target: Target, remote_ids: Sequence[str], found: DriftReport, actor: str
) -> None:
    with provisioner.databases.identity.read() as connection:
        known = people_of_remote_ids(connection, target.kind, remote_ids)
        # Made by us and gone again between two looks: we never learnt its key.
        unknown = without_remote_id(connection, target.kind) if len(known) < len(set(remote_ids)) else []
    with provisioner.databases.identity.write() as connection:
        forget_remote_ids(connection, target.kind, remote_ids)
    for some in _chunks(sorted({*known.values(), *unknown})):
        _judge_missing(provisioner, target, some, found, actor)


def _judge_missing(
    provisioner: Provisioner, target: Target, person_ids: Sequence[str], found: DriftReport, actor: str
) -> None:
    """Put entries in doubt that somebody removed. They are made again without a password, so log it as an error."""
    there = {entry.person_id for entry in _read(provisioner, target, person_ids)}
    with provisioner.databases.identity.read() as connection:
        states = states_among(connection, target.kind, person_ids)
    lost = [
        person_id
        for person_id in person_ids
        if person_id not in there and (state := states.get(person_id)) and state.applied is not None
    ]
    if not lost:
        return
    at = provisioner.clock.timestamp()
    with provisioner.databases.identity.write() as connection:
        mark_in_doubt(connection, target.kind, lost, provisioner.clock.now())
        for person_id in lost:
            data = {"target": target.kind, "password": "must be set anew"}
            record(connection, at, Event(event_types.DRIFT_ENTRY_LOST, subject=person_id, actor=actor, data=data))
    log.error("entries were removed by somebody else", target=target.kind, people=len(lost), first=lost[0])
    found.lost += lost


# --- accepted drift -------------------------------------------------------------------------------------------------


def drop_overrides(
    provisioner: Provisioner, person_id: str, attributes: Sequence[str], actor: Actor
) -> tuple[Override, ...]:
    """End a person's overrides, those of these attributes or all, and return them: the next run writes our values.

    Raises:  NotAllowed; NotFound when there is none
    Effect:  the person is compared again; drift.override_dropped
    """
    actor.require(Permission.DRIFT_MANAGE)
    names = {name.lower() for name in attributes}
    with provisioner.databases.identity.write() as connection:
        kept = kept_among(connection, [person_id]).get(person_id, NOTHING_KEPT)
        dropped = tuple(each for each in kept.overrides if not names or each.attribute.lower() in names)
        if not dropped:
            raise NotFound("this person has no such override")
        drop(connection, [Kept(overrides=dropped)])
        queue_recompute(connection, [person_id])
        data = {"attributes": [each.attribute for each in dropped]}
        event = Event(event_types.DRIFT_OVERRIDE_DROPPED, person_id, actor.actor_id, data=data)
        record(connection, provisioner.clock.timestamp(), event)
    return dropped


# --- the worker -----------------------------------------------------------------------------------------------------


@dataclass
class DriftSweep:
    """Looks for drift in every target that tells its changes, every so many seconds."""

    provisioner: Callable[[], Provisioner]
    every_s: float
    _due_at: float = 0.0

    def __call__(self) -> int:
        """Return in how many people something was found. A target that does not answer is looked at next time."""
        if self.every_s == 0:
            return 0
        provisioner = self.provisioner()
        now = provisioner.clock.timestamp()
        if now < self._due_at:
            return 0
        self._due_at = now + self.every_s
        return sum(len(found.people) for found in find_drift_where_possible(provisioner))


def find_drift_where_possible(provisioner: Provisioner) -> list[DriftReport]:
    """Return the drift in the targets that tell their changes and answer now. The others are looked at next time.

    Effect:  as `find_drift`
    """
    reports: list[DriftReport] = []
    for kind, target in provisioner.targets.items():
        if isinstance(target, ReadsChanges):
            try:
                reports.append(find_drift(provisioner, kind))
            except Conflict:  # somebody else looks
                continue
            except TargetError as error:
                log.warning("drift was not looked for", target=kind, error=str(error))
    return reports


def _keep_remote_ids(provisioner: Provisioner, target: Target, pairs: Sequence[tuple[str, str]]) -> None:
    with provisioner.databases.identity.read() as connection:
        known = remote_ids_among(connection, target.kind, [person_id for person_id, _ in pairs])
    fresh = [pair for pair in pairs if pair[0] in known and known[pair[0]] != pair[1]]
    if fresh:
        with provisioner.databases.identity.write() as connection:
            keep_remote_ids(connection, target.kind, fresh)


def _chunks(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    iterator = iter(things)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk
