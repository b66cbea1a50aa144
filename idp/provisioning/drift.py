"""Find drift: what others changed in a target. It is repaired, reported or adopted, attribute by attribute.

Only the lock of closed entries is written here. An entry to repair is in doubt, so the next guarded run writes it. A
reported or adopted value becomes an override. Attributes that we do not manage, and entries that are not ours, are not
read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from more_itertools import chunked

from idp.audit import event_types
from idp.audit.events import Event, record, record_all
from idp.db.locks import exclusive
from idp.errors import Conflict, NotFound, TargetError, TargetRejected
from idp.people.change_queries import queue_recompute
from idp.permissions import SYSTEM, Actor, Permission
from idp.provisioning import state_queries
from idp.provisioning.pin_queries import drop, keep, kept_among
from idp.provisioning.pins import NOTHING_KEPT, Kept, Override, Parts, by_records, parts_of
from idp.provisioning.provisioner import PAGE, Provisioner
from idp.provisioning.recompute import recompute
from idp.provisioning.records import PersonRecords
from idp.provisioning.target import ObservedChange, ReadsChanges, Target, digests_in, entries_named
from idp.provisioning.target_states import State
from idp.provisioning.values import Change, Entry, Kind
from idp.provisioning.writer import TargetWriter, Write

REPAIR, REPORT, ADOPT = "repair", "report", "adopt"
log = structlog.get_logger()


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
    look = _Look(provisioner, provisioner.targets[kind], actor.actor_id, DriftReport(kind))
    with exclusive(provisioner.databases, f"drift-{kind}"):
        if whole or not look.at_changes():
            look.at_everybody(or_none=whole)
    return look.report


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at one target."""

    provisioner: Provisioner
    target: Target
    actor: str
    report: DriftReport

    def at_changes(self) -> bool:
        """Go through what the target says has changed; False when it must be read whole."""
        if not isinstance(self.target, ReadsChanges):
            return False
        cursor = self.provisioner.read(state_queries.cursor_of, self.target.kind)
        changes = self.target.changes_since(cursor) if cursor else None
        if changes is None:
            return False
        self.report.entries_read = len(changes.changed)
        for some in chunked(changes.changed, PAGE):
            self._keep_remote_ids([(one.entry.person_id, one.remote_id) for one in some])
            self._judge([one.entry for one in some])
            self._lock_again(some)
        if changes.gone:
            self._judge_gone(changes.gone)
        self._keep_cursor(changes.cursor)
        return True

    def at_everybody(self, *, or_none: bool) -> None:
        """Read the whole target; `or_none`: one that cannot tell where the next look goes on is read, too."""
        self.report.is_whole = True
        # The cursor first: what changes while we read is told again by the next look.
        cursor = self._cursor_now(or_none=or_none)
        if isinstance(self.target, ReadsChanges):
            for pairs in chunked(self.target.remote_ids(), PAGE):
                self._keep_remote_ids(pairs)
        with self.provisioner.databases.identity.read() as connection:
            observed = state_queries.Observed(connection, self.target.kind)
            self.report.entries_read = observed.add(digests_in(self.target))
            for some in chunked(observed.newly_different(), PAGE):
                self._judge(self._read(some))
            for some in chunked(observed.gone(), PAGE):
                self._judge_missing(some)
            self.report.orphans += observed.orphans()
            reported = {*self.report.people, *self.report.orphans}
            self.report.still_differing += [one for one, _ in observed.differing() if one not in reported]
        if cursor:
            self._keep_cursor(cursor)

    def _read(self, person_ids: Sequence[str]) -> list[Entry]:
        """Return some people's entries, found by the names that they should have."""
        people = self.provisioner.records_of(person_ids)
        return list(self.target.read(person_ids, {one: self._effective(each).name for one, each in people.items()}))

    def _effective(self, person: PersonRecords) -> Entry:
        return self.provisioner.effective_entry(person, self.target)

    def _cursor_now(self, *, or_none: bool) -> str:
        if not isinstance(self.target, ReadsChanges):
            return ""
        try:
            return self.target.cursor_now()
        except TargetRejected:
            if or_none:
                return ""
            raise  # a whole look every minute is not what anybody asked for

    def _keep_cursor(self, cursor: str) -> None:
        self.provisioner.write(state_queries.keep_cursor, self.target.kind, cursor, self.provisioner.clock.now())

    def _keep_remote_ids(self, pairs: Sequence[tuple[str, str]]) -> None:
        known = self.provisioner.read(
            state_queries.remote_ids_among, self.target.kind, [person_id for person_id, _ in pairs]
        )
        fresh = [pair for pair in pairs if pair[0] in known and known[pair[0]] != pair[1]]
        if fresh:
            self.provisioner.write(state_queries.keep_remote_ids, self.target.kind, fresh)

    # --- entries that are there --------------------------------------------------------------------------------------

    def _judge(self, entries: Iterable[Entry]) -> None:
        """Find which entries somebody else changed, and what becomes of that."""
        told = {entry.person_id: entry for entry in entries}
        people = self.provisioner.records_of(list(told))
        known = self.provisioner.read(state_queries.states_among, self.target.kind, people)
        self.report.orphans += [entry.name for person_id, entry in sorted(told.items()) if person_id not in people]
        # What we were told may be older than our own last write: only what is otherwise now is somebody else's.
        suspects = {
            person_id: told[person_id].name
            for person_id, state in sorted(known.items())
            if state.applied != told[person_id].digest
            # Without `applied`, only in_sync says that nothing is there; other states may have a write in flight.
            and (state.applied is not None or state.state is State.IN_SYNC)
        }
        if not suspects:
            return
        there = entries_named(self.target, suspects)
        states_now = self.provisioner.read(state_queries.states_among, self.target.kind, suspects)
        drifted: list[tuple[PersonRecords, Entry]] = []
        unclear: list[str] = []
        as_desired: list[tuple[str, str]] = []
        for person_id, entry in there.items():
            person, state = people[person_id], states_now[person_id]
            if entry.digest == state.applied:
                continue
            if entry.digest == state.desired:  # our own write, not noted yet
                as_desired.append((person_id, entry.digest))
            elif state == known[person_id] and state.applied == state.desired == self._effective(person).digest:
                drifted.append((person, entry))
            else:  # the records changed, too: nobody can tell by whom an attribute differs, so all of it is repaired
                unclear.append(person_id)
        if as_desired or unclear:
            now = self.provisioner.clock.now()
            with self.provisioner.databases.identity.write() as connection:
                state_queries.note_shown(connection, self.target.kind, as_desired, now)
                state_queries.mark_in_doubt(connection, self.target.kind, unclear, now)
        if drifted:
            self._settle(drifted)

    def _settle(self, drifted: Sequence[tuple[PersonRecords, Entry]]) -> None:
        kind, now = self.target.kind, self.provisioner.clock.now()
        policies: Mapping[str, str] = self.target.drift if isinstance(self.target, ReadsChanges) else {}
        differences: list[Difference] = []
        overrides: list[Override] = []
        events: list[Event] = []
        for person, entry in drifted:
            new = list(differences_of(self._effective(person), entry, kind, policies))
            overrides += _overrides(new, parts_of(by_records(person.snapshot, self.target)), now)
            differences += new
            names: dict[str, list[str]] = {}  # not the values: those stand in the plan, or in the override
            for one in new:
                names.setdefault(one.policy, []).append(one.attribute)
            events.append(self._event(event_types.DRIFT_FOUND, entry.person_id, names))
        ids = [person.person_id for person, _ in drifted]
        with self.provisioner.databases.identity.write() as connection:
            keep(connection, Kept(overrides=tuple(overrides)))
            # Even where nothing is to be repaired: only a recomputation says that they are as desired now.
            state_queries.mark_in_doubt(connection, kind, ids, now)
            queue_recompute(connection, ids)
            record_all(connection, now.timestamp(), events)
        recompute(self.provisioner, ids)
        as_found = [(entry.person_id, entry.digest) for _, entry in drifted]
        self.provisioner.write(state_queries.note_shown, kind, as_found, now)  # where overrides are all that differed
        self.report.differences += differences

    def _lock_again(self, some: Sequence[ObservedChange]) -> None:
        """Write the lock of closed entries that somebody else wrote to: it cannot be read, so it is not compared."""
        touched = {one.entry.person_id: one.entry for one in some if one.by_others and not one.entry.enabled}
        known = self.provisioner.read(state_queries.states_among, self.target.kind, touched)
        closed = [touched[one] for one, state in known.items() if state.desired == touched[one].digest]
        if not closed:
            return
        writes = [Write(Change(Kind.DISABLE, entry.person_id, entry, entry, "drift")) for entry in closed]
        outcomes = TargetWriter(self.provisioner, self.target, self.actor).write(writes)
        locked = [write.person_id for write, outcome in outcomes if outcome.error is None]
        self.report.relocked += len(locked)
        events = (self._event(event_types.DRIFT_FOUND, person_id, {"locked_again": True}) for person_id in locked)
        self.provisioner.write(record_all, self.provisioner.clock.timestamp(), events)

    # --- entries that are gone ---------------------------------------------------------------------------------------

    def _judge_gone(self, remote_ids: Sequence[str]) -> None:
        with self.provisioner.databases.identity.write() as connection:
            known = state_queries.people_of_remote_ids(connection, self.target.kind, remote_ids)
            # Made by us and gone again between two looks: we never learnt its key.
            is_unknown = len(known) < len(set(remote_ids))
            unknown = state_queries.without_remote_id(connection, self.target.kind) if is_unknown else []
            state_queries.forget_remote_ids(connection, self.target.kind, remote_ids)
        for some in chunked(sorted({*known.values(), *unknown}), PAGE):
            self._judge_missing(some)

    def _judge_missing(self, person_ids: Sequence[str]) -> None:
        """Put entries in doubt that somebody removed. They are made again without a password, so log an error."""
        there = {entry.person_id for entry in self._read(person_ids)}
        known = self.provisioner.read(state_queries.states_among, self.target.kind, person_ids)
        lost = [one for one in person_ids if one not in there and one in known and known[one].applied is not None]
        if not lost:
            return
        with self.provisioner.databases.identity.write() as connection:
            state_queries.mark_in_doubt(connection, self.target.kind, lost, self.provisioner.clock.now())
            events = (self._event(event_types.DRIFT_ENTRY_LOST, one, {"password": "must be set anew"}) for one in lost)
            record_all(connection, self.provisioner.clock.timestamp(), events)
        log.error("entries were removed by somebody else", target=self.target.kind, people=len(lost), first=lost[0])
        self.report.lost += lost

    def _event(self, word: str, person_id: str, data: Mapping[str, object]) -> Event:
        return Event(word, person_id, self.actor, data={"target": self.target.kind, **data})


# --- what differs ---------------------------------------------------------------------------------------------------


def differences_of(effective: Entry, observed: Entry, target: str, policies: Mapping[str, str]) -> Iterator[Difference]:
    """Yield what differs from the effective entry, and what becomes of it. Pure.

    Shape:   policies {"displayName": "adopt"}; what is not named, and everything about a closed entry, is repaired
    """
    should = parts_of(effective)
    has = parts_of(replace(observed, only_if_present=effective.only_if_present))
    for name in dict.fromkeys([*should, *has]):
        if should.get(name, ()) != has.get(name, ()):
            policy = policies.get(name, REPAIR) if effective.enabled else REPAIR
            values = (should.get(name, ()), has.get(name, ()))
            yield Difference(target, observed.person_id, observed.name, name, *values, policy)


def _overrides(differences: Iterable[Difference], records: Parts, at: datetime) -> Iterator[Override]:
    """Yield what is accepted as found. A value that the records ask for needs no override."""
    for one in differences:
        expected = records.get(one.attribute, ())
        if one.policy != REPAIR and one.found != expected:
            yield Override(one.target, one.person_id, one.attribute, expected, one.found, one.policy, at)


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
