"""The one way to write to a target: in doubt, write, confirm, event, circuit breaker."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record_all
from idp.errors import IdpError, TargetError, TargetRejected, TargetUnavailable
from idp.provisioning import health, removal
from idp.provisioning import run_queries as runs
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.runs import JUDGED_LATE, ChangeRow, ChangeState, Run, RunKind
from idp.provisioning.state_queries import (
    TargetState,
    begin_writes,
    confirm_writes,
    count_attempts,
    delay,
    mark_in_doubt,
    note_absent,
    states_among,
    took_others_since,
)
from idp.provisioning.states import Presence
from idp.provisioning.target import Target
from idp.provisioning.undo import overtaken, pin_undone
from idp.provisioning.values import Change, Entry, Kind, Outcome

Progress = Callable[[int], None]
FEW = 2  # people who may all fail although their target is well
LEASE = timedelta(seconds=60)  # within which no second writer looks at a write in flight
SHOWN_WITHIN = timedelta(minutes=5)  # by a target that accepts writes and shows them later


@dataclass(frozen=True, slots=True)
class Write:
    """One change to make, and its row, where it belongs to a run."""

    change: Change
    row: ChangeRow | None = None

    @property
    def person_id(self) -> str:
        return self.change.person_id


Outcomes = Sequence[tuple[Write, Outcome]]


def write_of(row: ChangeRow) -> Write:
    """Return a stored change as a write."""
    return Write(change_of(row), row)


def change_of(row: ChangeRow) -> Change:
    """Return a stored change as a target takes it."""
    before, after = (text and Entry.from_json(row.person_id, text) for text in (row.before, row.after))
    return Change(Kind(row.kind), row.person_id, before or None, after or None, row.reason)


def target_error(error: IdpError) -> TargetError:
    """Return the error of a change as one of its target."""
    return error if isinstance(error, TargetError) else TargetUnavailable(str(error))


@dataclass(frozen=True, slots=True)
class TargetWriter:
    """Writes to one target, for a run or for one person."""

    provisioner: Provisioner
    target: Target
    actor: str
    run: Run | None = None
    progress: Progress = lambda _: None

    def write(self, writes: Sequence[Write], *, one_by_one: bool = False) -> Outcomes:
        """Make changes that are still desired, and return their outcomes.

        Shape:   one_by_one: a change that makes the target fail keeps nobody else from being written
        Raises:  TargetUnavailable when the target went away; changes without an outcome are in doubt
        Effect:  changes of a run that are not desired any more are superseded
        """
        if self.run is not None and self.run.kind in JUDGED_LATE:
            writes = self._without_overtaken(writes)
        begun = self._begin(writes)
        current = [one for one in writes if one.person_id in begun]
        outcomes: list[tuple[Write, Outcome]] = []
        try:
            for pair in self._one_by_one(current) if one_by_one else self._many(current):
                outcomes.append(pair)
                self.progress(1)
        except TargetError as error:
            self._delay([one.person_id for one in current[len(outcomes) :]], error)
            raise
        finally:
            self.confirm(outcomes, begun)
        return outcomes

    # --- write -------------------------------------------------------------------------------------------------------

    def _many(self, writes: Sequence[Write]) -> Iterator[tuple[Write, Outcome]]:
        by_person = {one.person_id: one for one in writes}
        for outcome in self.target.apply(one.change for one in writes):
            yield by_person[outcome.change.person_id], outcome

    def _one_by_one(self, writes: Sequence[Write]) -> Iterator[tuple[Write, Outcome]]:
        for one in writes:
            try:
                outcome = self.target.apply_one(one.change)
            except TargetRejected as error:
                yield one, Outcome(one.change, error)
            except TargetUnavailable as error:
                self.target.ping()
                yield one, Outcome(one.change, error)
            else:
                yield one, outcome

    # --- begin -------------------------------------------------------------------------------------------------------

    def _begin(self, writes: Sequence[Write]) -> dict[str, TargetState]:
        """Return the people to write with their states, whose tokens the confirmation needs; supersede all others."""
        kind = self.target.kind
        with self.provisioner.databases.identity.write() as connection:
            known = states_among(connection, kind, sorted(one.person_id for one in writes), alone=True)
            begun = {one.person_id: known[one.person_id] for one in writes if self._is_desired(one, known)}
            begin_writes(connection, kind, begun, self.provisioner.clock.now() + LEASE)
            late = (one.row for one in writes if one.row is not None and one.person_id not in begun)
            self._supersede(connection, {row.number: "desired otherwise by now" for row in late})
        return begun

    def _is_desired(self, one: Write, known: Mapping[str, TargetState]) -> bool:
        state = known.get(one.person_id)
        if state is None or (self.run is not None and self.run.kind == RunKind.UNDO):
            return state is not None
        if one.change.after is None:
            return True
        is_needless = one.change.before is None and state.presence is Presence.IF_PRESENT
        return state.desired == one.change.after.digest and not is_needless

    def _without_overtaken(self, writes: Sequence[Write]) -> Sequence[Write]:
        rows = [one.row for one in writes if one.row is not None]
        is_removal = self.run is not None and self.run.kind is RunKind.REMOVAL
        reasons = (
            removal.overtaken(self.provisioner, rows) if is_removal else overtaken(self.provisioner, self.target, rows)
        )
        self.supersede(reasons)
        return [one for one in writes if one.row is None or one.row.number not in reasons]

    def _supersede(self, connection: Connection, reasons: Mapping[int, str]) -> None:
        if self.run is not None and reasons:
            settled = ((number, ChangeState.SUPERSEDED, why) for number, why in reasons.items())
            runs.settle(connection, self.run.run_id, self.provisioner.clock.now(), settled)

    def supersede(self, reasons: Mapping[int, str]) -> None:
        """Have changes, by number, not made by this run, and say why."""
        if reasons:
            with self.provisioner.databases.identity.write() as connection:
                self._supersede(connection, reasons)

    # --- confirm -----------------------------------------------------------------------------------------------------

    def confirm(self, outcomes: Outcomes, begun: Mapping[str, TargetState]) -> None:
        """Store what became of changes, with an event for each that was made, in one transaction."""
        if not outcomes:
            return
        now, run = self.provisioner.clock.now(), self.run
        run_id = run.run_id if run else ""
        done = [one for one, outcome in outcomes if outcome.error is None]
        with self.provisioner.databases.identity.write() as connection:
            if run is not None:
                runs.note_progress(connection, run.run_id, run.attempt, now)
            given_up = self._count_failures(connection, outcomes, begun)
            if run is not None and run.kind == RunKind.UNDO:  # first: what is pinned is what is desired from now on
                rows = [one.row for one in done if one.row is not None]
                pin_undone(connection, self.provisioner, run, self.target, rows, now)
            if run is not None and run.kind is RunKind.REMOVAL:
                removal.end_removed(connection, self.target, [one.person_id for one in done])
            accepted = {one.person_id for one, outcome in outcomes if outcome.is_accepted}
            self._confirm_states(connection, done, begun, run_id, accepted)
            if run is not None:
                settled = [_settled(one, outcome.error, one.person_id in given_up) for one, outcome in outcomes]
                runs.settle(connection, run.run_id, now, (row for row in settled if row is not None))
            events = [self._event(one.change, run_id) for one in done]
            events += [self._gave_up(person_id, run_id) for person_id in given_up]
            record_all(connection, now.timestamp(), events)

    def _confirm_states(
        self,
        connection: Connection,
        done: Sequence[Write],
        begun: Mapping[str, TargetState],
        run_id: str,
        accepted: Set[str],
    ) -> None:
        now, kind = self.provisioner.clock.now(), self.target.kind
        known = states_among(connection, kind, sorted(one.person_id for one in done), alone=True)
        is_undo = self.run is not None and self.run.kind == RunKind.UNDO
        written: list[tuple[str, str]] = []
        removed: list[str] = []
        late: list[str] = []  # whose records changed while we wrote: perhaps we undid what somebody else wrote
        for one in done:
            state, after = known[one.person_id], one.change.after
            if not is_undo and state.change_token != begun[one.person_id].change_token:
                late.append(one.person_id)
            elif after is None:
                removed.append(one.person_id)
            elif state.desired == after.digest:
                written.append((one.person_id, after.digest))
            else:
                late.append(one.person_id)
        shown = (pair for pair in written if pair[0] not in accepted)
        confirm_writes(connection, kind, shown, run_id, now)
        later = (pair for pair in written if pair[0] in accepted)
        confirm_writes(connection, kind, later, run_id, now, shown_by=now + SHOWN_WITHIN)
        note_absent(connection, kind, removed, now)
        mark_in_doubt(connection, kind, late, now, priority=None)

    def _event(self, change: Change, run_id: str) -> Event:
        """Which attributes, not their values: those stand in the run."""
        data = {"run": run_id, "target": self.target.kind, "kind": change.kind.value, "attributes": change.touched}
        return Event(event_types.TARGET_CHANGED, change.person_id, self.actor, change.reason, data)

    def _gave_up(self, person_id: str, run_id: str) -> Event:
        data = {"run": run_id, "target": self.target.kind}
        return Event(event_types.TARGET_GAVE_UP, subject=person_id, actor=self.actor, data=data)

    # --- failures ----------------------------------------------------------------------------------------------------

    def _count_failures(
        self, connection: Connection, outcomes: Outcomes, begun: Mapping[str, TargetState]
    ) -> Sequence[str]:
        """Count attempts where a person is to blame, and delay all others; return the people who are given up.

        If every change of a batch fails, blame the target: count no attempts. Of the last one or two people a refusal
        counts, and any error if the target took others since their last attempt.
        """
        now, kind = self.provisioner.clock.now(), self.target.kind
        failed = [(one, outcome.error) for one, outcome in outcomes if outcome.error is not None]
        nobody_got_through = len(failed) == len(outcomes)
        is_few = nobody_got_through and self._is_few(connection, len(outcomes))
        blamed: list[tuple[str, str]] = []
        delayed: dict[str, str] = {}
        for one, error in failed:
            last = begun[one.person_id].last_attempt_at
            counts_alone = is_few and (not error.retryable or took_others_since(connection, kind, last))
            if not nobody_got_through or counts_alone:
                blamed.append((one.person_id, str(error)))
            else:
                delayed[one.person_id] = str(error)
        if delayed:
            why = next(iter(delayed.values()))
            delay(connection, kind, delayed, why, now, self.provisioner.settings.patience, was_tried=True)
        return count_attempts(connection, kind, blamed, now, self.provisioner.settings.patience)

    def _is_few(self, connection: Connection, count: int) -> bool:
        """Return whether these are the last one or two: then a target that answers may be well."""
        if count > FEW or self.run is None:
            return count <= FEW
        return runs.count_open(connection, self.run.run_id, self.target.kind, FEW + 1) <= FEW

    def _delay(self, person_ids: Sequence[str], error: TargetError) -> None:
        if person_ids:
            now, patience = self.provisioner.clock.now(), self.provisioner.settings.patience
            with self.provisioner.databases.identity.write() as connection:
                delay(connection, self.target.kind, person_ids, str(error), now, patience)

    # --- circuit breaker ---------------------------------------------------------------------------------------------

    def are_alone(self, count: int) -> bool:
        """Return whether these are all that the run has left here, and one or two."""
        with self.provisioner.databases.identity.read() as connection:
            return self._is_few(connection, count)

    def note_health(self, outcomes: Outcomes) -> float:
        """Return for how many seconds nobody calls the target after this batch; 0: it takes people.

        If every change fails in a way that may pass, it is the target. A target that answers and fails one or two
        people alone is not closed to everybody else for them.
        """
        errors = [outcome.error for _, outcome in outcomes if outcome.error is not None and outcome.error.retryable]
        is_everybody = bool(errors) and len(errors) == len(outcomes)
        if is_everybody and not (self.run is not None and self.are_alone(len(errors))):
            return health.note_failure(self.provisioner, self.target.kind, errors[0])
        if outcomes and not is_everybody:
            health.note_success(self.provisioner, self.target.kind)
        return 0.0


def _settled(one: Write, error: IdpError | None, is_given_up: bool) -> tuple[int, str, str] | None:
    if one.row is None:
        return None
    if error is None:
        return one.row.number, ChangeState.DONE, ""
    return one.row.number, ChangeState.OPEN if error.retryable and not is_given_up else ChangeState.REJECTED, str(error)
