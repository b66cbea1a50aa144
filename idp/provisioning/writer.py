"""The one way to write to a target: in doubt, write, confirm, event, circuit breaker."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record_all
from idp.errors import IdpError, LastAdministrator, TargetError, TargetRejected, TargetUnavailable
from idp.people.account_queries import last_administrators
from idp.people.values import Priority
from idp.provisioning import health, run_queries, state_queries
from idp.provisioning.attempts import count_attempts_and_tell
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, ChangeState, Run, RunKind
from idp.provisioning.run_policy import POLICIES, RunPolicy
from idp.provisioning.state_queries import TargetState
from idp.provisioning.target import Target
from idp.provisioning.target_states import Patience, Presence
from idp.provisioning.values import Change, Outcome

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
    return Write(row.to_change(), row)


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
        Effect:  changes of a run that are not desired any more are superseded. Nobody disables the last administrator
        """
        writes = self._without_overtaken(writes)
        begun, outcomes = self._begin(writes)
        refused = {one.person_id for one, _ in outcomes}
        current = [one for one in writes if one.person_id in begun and one.person_id not in refused]
        tried = 0
        try:
            for pair in self._one_by_one(current) if one_by_one else self._many(current):
                outcomes.append(pair)
                tried += 1
                self.progress(1)
        except TargetError as error:
            if left := [one.person_id for one in current[tried:]]:
                self.provisioner.write(state_queries.delay, self.target.kind, left, str(error), *self._now_and_patience)
            raise
        finally:
            self.confirm(outcomes, begun)
        return outcomes

    @property
    def _policy(self) -> RunPolicy:
        return POLICIES[self.run.kind if self.run else RunKind.SYNC]  # one person is written as in a sync

    @property
    def _now_and_patience(self) -> tuple[datetime, Patience]:
        return self.provisioner.clock.now(), self.provisioner.settings.patience

    def _many(self, writes: Sequence[Write]) -> Iterator[tuple[Write, Outcome]]:
        by_person = {one.person_id: one for one in writes}
        for outcome in self.target.apply(one.change for one in writes):
            yield by_person[outcome.change.person_id], outcome

    def _one_by_one(self, writes: Sequence[Write]) -> Iterator[tuple[Write, Outcome]]:
        for one in writes:
            try:
                outcome = self.target.apply_one(one.change)
            except TargetRejected as error:
                outcome = Outcome(one.change, error)
            except TargetUnavailable as error:
                self.target.ping()
                outcome = Outcome(one.change, error)
            yield one, outcome

    # --- begin -------------------------------------------------------------------------------------------------------

    def _begin(self, writes: Sequence[Write]) -> tuple[dict[str, TargetState], list[tuple[Write, Outcome]]]:
        """Return the people to write with their states, whose tokens the confirmation needs, and what is refused.

        Effect:  these people are in doubt; all others are superseded
        """
        kind = self.target.kind
        with self.provisioner.databases.identity.write() as connection:
            known = state_queries.states_among(connection, kind, sorted(one.person_id for one in writes), alone=True)
            begun = {one.person_id: known[one.person_id] for one in writes if self._is_desired(one, known)}
            state_queries.begin_writes(connection, kind, begun, self.provisioner.clock.now() + LEASE)
            late = (one.row for one in writes if one.row is not None and one.person_id not in begun)
            self._supersede(connection, {row.number: "desired otherwise by now" for row in late})
            shut = {one.person_id: one for one in writes if one.person_id in begun and _shuts_out(one.change)}
            last = last_administrators(connection, shut)
        error = LastAdministrator("the last administrator is not disabled; invite another one first")
        return begun, [(shut[person_id], Outcome(shut[person_id].change, error)) for person_id in last]

    def _is_desired(self, one: Write, known: Mapping[str, TargetState]) -> bool:
        state = known.get(one.person_id)
        if state is None or self._policy.sets_desired:
            return state is not None
        if one.change.after is None:  # whoever returned since the plan keeps entry and password
            return state.presence is Presence.IF_PRESENT
        is_needless = one.change.before is None and state.presence is Presence.IF_PRESENT
        return state.desired == one.change.after.digest and not is_needless

    def _without_overtaken(self, writes: Sequence[Write]) -> Sequence[Write]:
        check = self._policy.late_check
        if check is None:
            return writes
        reasons = check(self.provisioner, self.target, [one.row for one in writes if one.row is not None])
        self.supersede(reasons)
        return [one for one in writes if one.row is None or one.row.number not in reasons]

    def supersede(self, reasons: Mapping[int, str]) -> None:
        """Have changes, by number, not made by this run, and say why."""
        if reasons:
            self.provisioner.write(self._supersede, reasons)

    def _supersede(self, connection: Connection, reasons: Mapping[int, str]) -> None:
        if self.run is not None and reasons:
            settled = ((number, ChangeState.SUPERSEDED, why) for number, why in reasons.items())
            run_queries.settle(connection, self.run.run_id, self.provisioner.clock.now(), settled)

    # --- confirm -----------------------------------------------------------------------------------------------------

    def confirm(self, outcomes: Outcomes, begun: Mapping[str, TargetState]) -> None:
        """Store what became of changes, with an event for each that was made, in one transaction."""
        if not outcomes:
            return
        now, run, kind = self.provisioner.clock.now(), self.run, self.target.kind
        done = [one for one, outcome in outcomes if outcome.error is None]
        with self.provisioner.databases.identity.write() as connection:
            if run is not None:
                run_queries.note_progress(connection, run.run_id, run.attempt, now)
            given_up = self._count_failures(connection, outcomes, begun)
            rows = [one.row for one in done if one.row is not None]
            if run is not None:  # first: what an undo pins is what is desired from now on
                self._policy.confirm(connection, self.provisioner, run, self.target, rows, now)
            accepted = {one.person_id for one, outcome in outcomes if outcome.is_accepted}
            self._confirm_states(connection, done, begun, accepted)
            if run is not None:
                self._policy.finish(connection, self.provisioner, run, self.target, rows, now)
                settled = [_settled(one.row, outcome, given_up) for one, outcome in outcomes if one.row is not None]
                run_queries.settle(connection, run.run_id, now, settled)
            of_run = {"run": run.run_id if run else "", "target": kind}
            events = [
                # Which attributes, not their values: those stand in the run.
                Event(
                    event_types.TARGET_CHANGED,
                    one.person_id,
                    self.actor,
                    one.change.reason,
                    {**of_run, "kind": one.change.kind.value, "attributes": one.change.touched},
                )
                for one in done
            ]
            record_all(connection, now.timestamp(), events)

    def _confirm_states(
        self, connection: Connection, done: Sequence[Write], begun: Mapping[str, TargetState], accepted: Set[str]
    ) -> None:
        now, kind = self.provisioner.clock.now(), self.target.kind
        known = state_queries.states_among(connection, kind, sorted(one.person_id for one in done), alone=True)
        written: list[tuple[str, str]] = []
        removed: list[str] = []
        late: list[str] = []  # whose records changed while we wrote: perhaps we undid what somebody else wrote
        for one in done:
            state, after = known[one.person_id], one.change.after
            is_current = self._policy.sets_desired or state.change_token == begun[one.person_id].change_token
            if is_current and after is None:
                removed.append(one.person_id)
            elif is_current and after is not None and state.desired == after.digest:
                written.append((one.person_id, after.digest))
            else:
                late.append(one.person_id)
        run_id, shown_by = self.run.run_id if self.run else "", now + SHOWN_WITHIN
        shown = (pair for pair in written if pair[0] not in accepted)
        state_queries.confirm_writes(connection, kind, shown, run_id, now)
        later = (pair for pair in written if pair[0] in accepted)
        state_queries.confirm_writes(connection, kind, later, run_id, now, shown_by=shown_by)
        state_queries.note_absent(connection, kind, removed, now)
        # Live: a lock may be among them, and a guarded run would keep it waiting. Whom the records alone shut out is
        # left to such a run even so (idp.provisioning.live).
        state_queries.mark_in_doubt(connection, kind, late, now, priority=Priority.LIVE)

    # --- failures ----------------------------------------------------------------------------------------------------

    def _count_failures(
        self, connection: Connection, outcomes: Outcomes, begun: Mapping[str, TargetState]
    ) -> Sequence[str]:
        """Count attempts where a person is to blame, and delay all others; return the people who are given up.

        If every change of a batch fails, blame the target: count no attempts. Of the last one or two people a refusal
        counts, and any error if the target took others since their last attempt.
        """
        kind = self.target.kind
        failed = {one.person_id: outcome.error for one, outcome in outcomes if outcome.error is not None}
        blamed = set(failed)
        if len(failed) == len(outcomes):
            blamed = {
                person_id
                for person_id, error in failed.items()
                if self._is_few(connection, len(outcomes))
                and (
                    not error.retryable
                    or state_queries.took_others_since(connection, kind, begun[person_id].last_attempt_at)
                )
            }
        if delayed := {person_id: str(error) for person_id, error in failed.items() if person_id not in blamed}:
            why = next(iter(delayed.values()))
            state_queries.delay(connection, kind, delayed, why, *self._now_and_patience, was_tried=True)
        errors = [(person_id, str(failed[person_id])) for person_id in failed if person_id in blamed]
        run_id = self.run.run_id if self.run else ""
        return count_attempts_and_tell(self.provisioner, connection, kind, errors, self.actor, run_id)

    def _is_few(self, connection: Connection, count: int) -> bool:
        """Return whether these are the last one or two: then a target that answers may be well."""
        if count > FEW or self.run is None:
            return count <= FEW
        run_id, kind = self.run.run_id, self.target.kind
        return (
            len(run_queries.changes_of(connection, run_id, limit=FEW + 1, state=ChangeState.OPEN, target=kind)) <= FEW
        )

    # --- circuit breaker ---------------------------------------------------------------------------------------------

    def are_alone(self, count: int) -> bool:
        """Return whether these are one or two, and all that is left here: of the run, or of a live write."""
        return self.provisioner.read(self._is_few, count)

    def note_health(self, outcomes: Outcomes) -> float:
        """Return for how many seconds nobody calls the target after this batch; 0: it takes people.

        If every change fails in a way that may pass, it is the target. A target that answers and fails one or two
        people alone is not closed to everybody else for them.
        """
        errors = [outcome.error for _, outcome in outcomes if outcome.error is not None and outcome.error.retryable]
        if errors and len(errors) == len(outcomes):
            is_one_of_them = self.are_alone(len(errors))
            return 0.0 if is_one_of_them else health.note_failure(self.provisioner, self.target.kind, errors[0])
        if outcomes:
            health.note_success(self.provisioner, self.target.kind)
        return 0.0


def _shuts_out(change: Change) -> bool:
    return change.before is not None and change.before.enabled and not (change.after and change.after.enabled)


def _settled(row: ChangeRow, outcome: Outcome, given_up: Sequence[str]) -> tuple[int, str, str]:
    error = outcome.error
    if error is None:
        return row.number, ChangeState.DONE, ""
    may_pass = error.retryable and row.person_id not in given_up
    return row.number, ChangeState.OPEN if may_pass else ChangeState.REJECTED, str(error)
