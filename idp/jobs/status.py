"""Collect the state of records, accounts, the last import and run, targets, letters and workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from idp.db import workers
from idp.errors import IdpError
from idp.jobs import count_queries as counts
from idp.jobs.count_queries import LastImport
from idp.jobs.schedule_queries import FAILED, told_firings
from idp.letters import outgoing as letters
from idp.people.change_queries import count_changes
from idp.people.merge_queries import count_open_pairs
from idp.provisioning import run_queries
from idp.provisioning.approval import progress_of
from idp.provisioning.guard import sentence
from idp.provisioning.health_queries import failing
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import LimitViolation, RunState
from idp.provisioning.state_queries import count_given_up, count_states
from idp.registry import queries as registry


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """The state of one target in our records, and whether it answers now."""

    is_reachable: bool
    error: str
    entries: int  # of ours that it has
    pending: int  # people whose entry is not yet as desired
    given_up: int = 0  # people whom it refused until we gave up
    failures: int = 0  # in a row; the circuit breaker is open after the first ones

    @property
    def is_failing(self) -> bool:
        """Return whether it fails and people wait for it. Without such people, old failures need nobody's attention."""
        return self.failures > 0 and self.pending > 0

    @property
    def failed_how_often(self) -> str:
        """Return how often it failed, in words."""
        return "once" if self.failures == 1 else f"{self.failures} times in a row"


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The run applied last."""

    run_id: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    changes: Mapping[str, int]  # by state
    error: str


@dataclass(frozen=True, slots=True)
class AwaitingPlan:
    """A plan that awaits approval."""

    run_id: str
    created_at: datetime
    created_by: str
    limit_violations: tuple[LimitViolation, ...]
    approvals_missing: int


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """The outcome of a schedule's last firing, or the state of a delayed one."""

    due_at: datetime
    state: str
    note: str
    is_delayed: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The state of an installation."""

    people: Mapping[str, int]  # without staff, by access: active, suspended, closed
    student_accounts: int
    student_accounts_claimed: int
    staff_accounts: int
    last_import: LastImport | None
    quarantined: int
    last_run: RunStatus | None
    targets: Mapping[str, TargetStatus]
    changed_people: int  # whose records changed since the last comparison with the targets
    letters: Mapping[str, int]  # by state: pending, sent, dead
    worker_seen_at: datetime | None
    workers: int  # alive now
    running_run_id: str | None
    awaiting_approval: Sequence[AwaitingPlan]
    schedules: Mapping[str, ScheduleStatus]  # by name
    delayed_letters: int = 0  # pending after an error
    letters_error: str = ""  # why
    open_duplicates: int = 0  # pairs of records that a human must judge


def problems_of(found: Status) -> list[str]:
    """Return a sentence for each problem that somebody must look into. Pure.

    Open pairs of duplicates are none: they are a clerk's daily work, and an alarm that is always on hides the others.
    """
    problems = []
    if found.workers == 0:
        problems.append("No worker is running. Start `idp worker`, or find out why it ended.")
    for kind, target in found.targets.items():
        if not target.is_reachable:
            problems.append(f"Target {kind} does not answer: {target.error}")
        elif target.is_failing:
            problems.append(f"Target {kind} failed {target.failed_how_often}: {target.error}")
        if target.given_up:
            people = f"People given up in target {kind}: {target.given_up}."
            problems.append(f"{people} Repair the cause, then: idp runs retry")
    problems += [
        f"Plan {plan.run_id} awaits approval: {sentence(plan.limit_violations)}" for plan in found.awaiting_approval
    ]
    if found.last_import is not None and found.last_import.reason:
        problems.append(f"The last import, {found.last_import.file_name}, was refused: {found.last_import.reason}")
    if found.last_run is not None and found.last_run.error:
        problems.append(f"Run {found.last_run.run_id} is {found.last_run.state}: {found.last_run.error}")
    for name, schedule in found.schedules.items():
        if schedule.state == FAILED or schedule.is_delayed:
            problems.append(f"Schedule {name} has not succeeded: {schedule.note}")
    if dead := found.letters.get("dead", 0):
        problems.append(f"Letters that could not be delivered: {dead}. See: idp letters list --state dead")
    if found.delayed_letters:
        problems.append(f"{found.delayed_letters} letters wait after an error: {found.letters_error}")
    return problems


def status(provisioner: Provisioner) -> Status:
    """Return the state of an installation. A target that does not answer is part of it."""
    with provisioner.databases.sessions.read() as connection:
        seen_at = workers.last_seen(connection)
        alive = len(workers.alive(connection, provisioner.clock.timestamp()))
    targets = _targets(provisioner)
    with provisioner.databases.identity.read() as connection:
        accounts = counts.accounts_by_kind(connection)
        delayed_letters, letters_error = letters.delayed_letters(connection)
        return Status(
            people=counts.people_by_access(connection),
            student_accounts=accounts.get("student", (0, 0))[0],
            student_accounts_claimed=accounts.get("student", (0, 0))[1],
            staff_accounts=accounts.get("staff", (0, 0))[0],
            last_import=counts.last_import(connection),
            quarantined=registry.count_quarantined(connection),
            last_run=_last_run(connection),
            targets=targets,
            changed_people=count_changes(connection),
            letters=letters.count_letters(connection),
            delayed_letters=delayed_letters,
            letters_error=letters_error,
            worker_seen_at=None if seen_at is None else datetime.fromtimestamp(seen_at, UTC),
            workers=alive,
            running_run_id=run_queries.running(connection),
            awaiting_approval=_awaiting_approval(provisioner, connection),
            schedules={
                firing.name: ScheduleStatus(firing.due_at, firing.state, firing.note, firing.is_delayed)
                for firing in told_firings(connection, provisioner.clock.now())
            },
            open_duplicates=count_open_pairs(connection),
        )


def _last_run(connection: Connection) -> RunStatus | None:
    run = run_queries.last_started(connection)
    if run is None:
        return None
    became = run_queries.count_changes(connection, run.run_id)
    return RunStatus(run.run_id, run.state, run.started_at, run.finished_at, became, run.error)


def _awaiting_approval(provisioner: Provisioner, connection: Connection) -> list[AwaitingPlan]:
    return [
        AwaitingPlan(
            run.run_id,
            run.created_at,
            run.created_by,
            run.violations,
            progress_of(connection, run, provisioner.settings).missing,
        )
        for run in run_queries.runs_in(connection, RunState.AWAITING_APPROVAL)
    ]


def _targets(provisioner: Provisioner) -> dict[str, TargetStatus]:
    errors: dict[str, str] = {}
    for kind, target in provisioner.targets.items():
        try:
            target.ping()
        except IdpError as error:
            errors[kind] = str(error)
    with provisioner.databases.identity.read() as connection:
        states, given_up = count_states(connection), count_given_up(connection)
    with provisioner.databases.sessions.read() as connection:
        ill = failing(connection)
    found = {}
    for kind in provisioner.targets:
        why = errors.get(kind) or (ill[kind].error if kind in ill else "")
        failures = ill[kind].failures if kind in ill else 0
        entries, pending = states.get(kind, (0, 0))
        found[kind] = TargetStatus(kind not in errors, why, entries, pending, given_up.get(kind, 0), failures)
    return found
