"""Write people without being told to run: one at once in the request that changed them, the rest by the worker."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from idp import permissions
from idp.audit import event_types
from idp.audit.events import SYSTEM, Event, record
from idp.errors import (
    CanaryFailed,
    Conflict,
    IdpError,
    LastAdministrator,
    NotFound,
    TargetError,
    TargetUnavailable,
    UnsafePlan,
)
from idp.people.change_queries import next_changes
from idp.people.values import Priority
from idp.provisioning import health, run_queries, state_queries
from idp.provisioning.attempts import count_attempts_and_tell
from idp.provisioning.compare import compare
from idp.provisioning.executor import apply_run
from idp.provisioning.guard import loses_rights
from idp.provisioning.planning import discard_if_empty, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import recompute, recompute_some
from idp.provisioning.records import PersonRecords
from idp.provisioning.run import Run, RunState
from idp.provisioning.state_queries import TargetState
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
    Raises:  NotFound; LastAdministrator; TargetUnavailable, TargetRejected: then the worker goes on
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
        if computed.failed:  # retryable: the worker computes them again later
            raise TargetUnavailable(f"the rules failed for {person_id}; idp's log says why")
        if not computed.people:
            raise NotFound(f"there is no person {person_id}")
        (seen,) = computed.people
        failures: dict[str, IdpError] = {}
        is_late = False
        targets = list(provisioner.targets.values())
        # Disable in target order, enable in reverse order, as in a run (idp.provisioning.chunks).
        for target in reversed(targets) if seen.snapshot.may_sign_in else targets:
            (entry,) = computed.entries[target.kind]
            one = _Person(provisioner, target, seen, entry, actor)
            try:
                is_late |= not one.reconcile(is_request)
            except (TargetError, LastAdministrator) as error:
                failures[target.kind] = error
        for kind, failure in failures.items():
            if needed is None or kind in needed:
                raise failure
        if not is_late:
            return
    # The records changed each time we looked. Whoever changed them queued the person, so the worker goes on.
    raise TargetUnavailable(f"{person_id} is being changed by somebody else")


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
        kind, person_id, now = self.target.kind, self.entry.person_id, self.provisioner.clock.now()
        state = self._state()
        if not is_request and not (state.priority is Priority.LIVE and state.is_due(now)):
            return True
        found = self._read()
        changes = compare([self.entry], [found] if found else []).changes
        if not changes and found:
            self.provisioner.write(state_queries.note_shown, kind, [(person_id, self.entry.digest)], now)
        elif not changes:
            self.provisioner.write(state_queries.note_absent, kind, [person_id], now)
        elif self._is_left_to_runs(changes[0]):
            self.provisioner.write(state_queries.make_bulk, kind, person_id, now)
        else:
            return self._write(changes[0])
        return True

    def _write(self, change: Change) -> bool:
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

    def _state(self) -> TargetState:
        person_id = self.entry.person_id
        return self.provisioner.read(state_queries.states_among, self.target.kind, [person_id])[person_id]

    def _read(self) -> Entry | None:
        """Return what the target has.

        Raises:  TargetUnavailable, TargetRejected
        """
        kind, person_id = self.target.kind, self.entry.person_id
        try:
            health.refuse_if_open(self.provisioner, kind)
            return self.target.read_one(person_id, self.entry.name)
        except TargetError as error:
            now, patience = self.provisioner.clock.now(), self.provisioner.settings.patience
            if isinstance(error, TargetUnavailable):
                health.note_failure(self.provisioner, kind, error)
            if error.retryable:
                self.provisioner.write(state_queries.delay, kind, [person_id], str(error), now, patience)
            else:
                with self.provisioner.databases.identity.write() as connection:
                    errors = [(person_id, str(error))]
                    count_attempts_and_tell(self.provisioner, connection, kind, errors, self.actor)
            raise

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
    changed = provisioner.read(next_changes, Priority.LIVE, now, LIVE_AT_ONCE)
    due = provisioner.read(state_queries.due_work, list(provisioner.targets), Priority.LIVE, now, LIVE_AT_ONCE)
    done = 0
    for person_id in list(dict.fromkeys([*changed, *due]))[:LIVE_AT_ONCE]:
        try:
            _reconcile(provisioner, person_id, SYSTEM, None, is_request=False)
            done += 1
        except IdpError as error:  # of this person; those behind still have their turn
            log.warning("not written yet", person=person_id, error=str(error))
    return done


def sweep_bulk(provisioner: Provisioner) -> int:
    """Write due people in one guarded run, while they are few and belong to no other run."""
    most = provisioner.settings.sweep_people
    changed = provisioner.read(next_changes, Priority.BULK, provisioner.clock.now(), most + 1)
    if len(changed) > most or provisioner.read(run_queries.runs_in, RunState.APPROVED, RunState.RUNNING):
        return 0
    recompute(provisioner, changed)
    answering = [kind for kind in provisioner.targets if health.open_for(provisioner, kind) == 0]
    due = provisioner.read(run_queries.due_outside_runs, answering, provisioner.clock.now(), most + 1)
    return 0 if not due or len(due) > most else _run_over(provisioner, due)


def _run_over(provisioner: Provisioner, due: Sequence[str]) -> int:
    done, why = 0, "left for the next attempt"
    run: Run | None = None
    try:
        run = make_plan(provisioner, permissions.SYSTEM, person_ids=due)
        why = run.unread or why
        result = apply_run(provisioner, run.run_id, permissions.SYSTEM)
        done = result.done
        discard_if_empty(provisioner, result.run)
    except Conflict:  # somebody else plans or applies now: next time
        if run is not None:
            _withdraw(provisioner, run)
        return 0
    except (TargetError, UnsafePlan, CanaryFailed) as error:
        why = str(error)
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        for kind in provisioner.targets:
            known = state_queries.states_among(connection, kind, due)
            still = [one for one, state in known.items() if state.is_due(now) and state.priority is Priority.BULK]
            state_queries.delay(connection, kind, still, why, now, provisioner.settings.patience)
    return done


def _withdraw(provisioner: Provisioner, run: Run) -> None:
    """Cancel a plan that was made by a sweep and not begun: the next sweep makes another one."""
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        if run_queries.move(connection, run.run_id, RunState.CANCELLED, from_=[RunState.PLANNED], finished_at=now):
            record(connection, now.timestamp(), Event(event_types.RUN_CANCELLED, run.run_id, SYSTEM))
