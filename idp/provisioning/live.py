"""Write people without being told to run: one at once in the request that changed them, the rest by the worker."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from idp import permissions
from idp.audit.events import SYSTEM
from idp.errors import CanaryFailed, Conflict, NotFound, TargetError, TargetUnavailable, UnsafePlan
from idp.people.change_queries import next_changes
from idp.people.values import Priority
from idp.provisioning import health
from idp.provisioning import run_queries as runs
from idp.provisioning.compare import compare
from idp.provisioning.executor import apply_run
from idp.provisioning.guard import loses_rights
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import recompute, recompute_some
from idp.provisioning.records import PersonRecords
from idp.provisioning.runs import RunState
from idp.provisioning.state_queries import (
    TargetState,
    count_attempts,
    delay,
    due_work,
    make_bulk,
    note_absent,
    note_shown,
    states_among,
)
from idp.provisioning.target import Target
from idp.provisioning.values import Change, Entry, Kind
from idp.provisioning.writer import TargetWriter, Write

LIVE_AT_ONCE = 100  # people per sweep: the worker has other things to do, too
READS_AT_ONCE = 3

log = structlog.get_logger()


def reconcile_person(
    provisioner: Provisioner, person_id: str, actor: str = SYSTEM, *, needed: Collection[str] | None = None
) -> None:
    """Return when every target, or each needed one, has this person as the records ask.

    Shape:   needed: kinds of target; where another one fails, the worker goes on
    Raises:  NotFound; TargetUnavailable, TargetRejected: then the worker goes on
    Effect:  what differs is written, with target.changed; a repeat is harmless. A target that fails keeps no other one
             from being written. Nobody is disabled by the records alone: they may be a bad file, so that is left to a
             guarded run
    """
    _reconcile(provisioner, person_id, actor, needed, is_request=True)


def _reconcile(
    provisioner: Provisioner, person_id: str, actor: str, needed: Collection[str] | None, *, is_request: bool
) -> None:
    for _ in range(READS_AT_ONCE):
        # Before the write, so that a slower writer sees that it is late.
        computed = recompute_some(provisioner, [person_id])
        if not computed.people:
            raise NotFound(f"there is no person {person_id}")
        (seen,) = computed.people
        failures: dict[str, TargetError] = {}
        is_late = False
        for target in _in_order(provisioner, seen):
            (entry,) = computed.entries[target.kind]
            one = _Person(provisioner, target, seen, entry, actor)
            try:
                is_late |= not one.reconcile(is_request)
            except TargetError as error:
                failures[target.kind] = error
        for kind, failure in failures.items():
            if needed is None or kind in needed:
                raise failure
        if not is_late:
            return
    # The records changed each time we looked. Whoever changed them queued the person, so the worker goes on.
    raise TargetUnavailable(f"{person_id} is being changed by somebody else")


def _in_order(provisioner: Provisioner, seen: PersonRecords) -> list[Target]:
    """Disable in target order, enable in reverse order, as in a run (idp.provisioning.chunks)."""
    targets = list(provisioner.targets.values())
    return targets[::-1] if seen.snapshot.may_sign_in else targets


@dataclass(frozen=True, slots=True)
class _Person:
    """One person in one target."""

    provisioner: Provisioner
    target: Target
    seen: PersonRecords
    entry: Entry
    actor: str

    def reconcile(self, is_request: bool) -> bool:
        """Return whether the target has what is still desired, or the rest is left to a guarded run.

        Raises:  TargetUnavailable, TargetRejected
        """
        state = self._state()
        if not is_request and not self._is_due_live(state):
            return True
        change, is_there = self._difference()
        if change is None:
            self._note(is_there)
            return True
        if self._is_left_to_runs(change):
            with self.provisioner.databases.identity.write() as connection:
                make_bulk(connection, self.target.kind, self.entry.person_id, self.provisioner.clock.now())
            return True
        writer = TargetWriter(self.provisioner, self.target, self.actor)
        try:
            outcomes = writer.write([Write(change)], one_by_one=True)
        except TargetUnavailable as error:
            health.note_failure(self.provisioner, self.target.kind, error)
            raise
        writer.note_health(outcomes)
        for _, outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        return bool(outcomes) and self._state().desired == self.entry.digest

    def _is_due_live(self, state: TargetState) -> bool:
        return state.priority is Priority.LIVE and state.is_due(self.provisioner.clock.now())

    def _state(self) -> TargetState:
        with self.provisioner.databases.identity.read() as connection:
            return states_among(connection, self.target.kind, [self.entry.person_id])[self.entry.person_id]

    def _difference(self) -> tuple[Change | None, bool]:
        """Return what must be written, and whether the target has an entry.

        Raises:  TargetUnavailable, TargetRejected
        """
        try:
            health.refuse_if_open(self.provisioner, self.target.kind)
            found = self.target.read_one(self.entry.person_id, self.entry.name)
        except TargetError as error:
            self._note_failed_read(error)
            raise
        changes = compare([self.entry], [found] if found else []).changes
        return next(iter(changes), None), found is not None

    def _note_failed_read(self, error: TargetError) -> None:
        kind, now, patience = self.target.kind, self.provisioner.clock.now(), self.provisioner.settings.patience
        if isinstance(error, TargetUnavailable):
            health.note_failure(self.provisioner, kind, error)
        with self.provisioner.databases.identity.write() as connection:
            if error.retryable:
                delay(connection, kind, [self.entry.person_id], str(error), now, patience)
            else:
                count_attempts(connection, kind, [(self.entry.person_id, str(error))], now, patience)

    def _note(self, is_there: bool) -> None:
        now = self.provisioner.clock.now()
        with self.provisioner.databases.identity.write() as connection:
            if is_there:
                note_shown(connection, self.target.kind, [(self.entry.person_id, self.entry.digest)], now)
            else:
                note_absent(connection, self.target.kind, [self.entry.person_id], now)

    def _is_left_to_runs(self, change: Change) -> bool:
        """Return whether the records alone take something away: a file may be wrong about everybody."""
        snapshot = self.seen.snapshot
        # A pin may take rights away, too: an undo was looked at by people.
        by_records = loses_rights(change, self.target.attributes) and not snapshot.status.is_student
        return (change.kind is Kind.DISABLE or by_records) and not snapshot.is_locked


# --- the worker -----------------------------------------------------------------------------------------------------


def reconcile_due(provisioner: Provisioner) -> int:
    """Write what is due, and return for how many people that was tried.

    Effect:  people's own acts one by one, up to a hundred; an import's people in one guarded run, if they are few. Many
             people, or a plan over the limits, wait for `idp apply`: a file that is wrong about everybody must not be
             carried out by a worker
    """
    return sweep_live(provisioner) + sweep_bulk(provisioner)


def sweep_live(provisioner: Provisioner) -> int:
    """Write people's own acts, locks and unlocks, one by one."""
    now = provisioner.clock.now()
    with provisioner.databases.identity.read() as connection:
        changed = next_changes(connection, Priority.LIVE, now, LIVE_AT_ONCE)
        due = due_work(connection, list(provisioner.targets), Priority.LIVE, now, LIVE_AT_ONCE)
    done = 0
    for person_id in list(dict.fromkeys([*changed, *due]))[:LIVE_AT_ONCE]:
        try:
            _reconcile(provisioner, person_id, SYSTEM, None, is_request=False)
            done += 1
        except (TargetError, NotFound) as error:
            log.warning("not written yet", person=person_id, error=str(error))
    return done


def sweep_bulk(provisioner: Provisioner) -> int:
    """Write due people in one guarded run, while they are few and belong to no other run."""
    most = provisioner.settings.sweep_people
    with provisioner.databases.identity.read() as connection:
        changed = next_changes(connection, Priority.BULK, provisioner.clock.now(), most + 1)
        if len(changed) > most or runs.runs_in(connection, RunState.APPROVED, RunState.RUNNING):
            return 0
    recompute(provisioner, changed)
    now = provisioner.clock.now()
    with provisioner.databases.identity.read() as connection:
        due = runs.due_outside_runs(connection, _answering(provisioner), now, most + 1)
    return 0 if not due or len(due) > most else _run_over(provisioner, due)


def _answering(provisioner: Provisioner) -> list[str]:
    return [kind for kind in provisioner.targets if health.open_for(provisioner, kind) == 0]


def _run_over(provisioner: Provisioner, due: Sequence[str]) -> int:
    done, why = 0, "left for the next attempt"
    try:
        run = make_plan(provisioner, permissions.SYSTEM, person_ids=due)
        why = run.unread or why
        done = apply_run(provisioner, run.run_id, permissions.SYSTEM).done
    except Conflict:
        return 0  # somebody else plans or applies now: next time
    except (TargetError, UnsafePlan, CanaryFailed) as error:
        why = str(error)
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        for kind in provisioner.targets:
            states = states_among(connection, kind, due)
            still = [one for one, state in states.items() if state.is_due(now) and state.priority is Priority.BULK]
            delay(connection, kind, still, why, now, provisioner.settings.patience)
    return done
