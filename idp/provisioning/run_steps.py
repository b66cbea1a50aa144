"""Request, pause, resume and cancel runs. A runner reads these rows between two batches."""

from collections.abc import Collection
from contextlib import suppress

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record, record_all
from idp.db import workers
from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.errors import Conflict, NotFound
from idp.permissions import Actor, Permission
from idp.provisioning import run_queries, state_queries
from idp.provisioning.approval import refuse_if_taken_back, refuse_unless_approved
from idp.provisioning.health import open_for
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeState, Run, RunKind, Runner, RunState

COMMAND_LOCK = "provisioning-command"  # held by a process that carries out a run itself; its death frees it


def request(provisioner: Provisioner, run_id: str, actor: Actor) -> Run:
    """Request a run, and return it. The next runner carries it out; a run that is over is returned as it is.

    Shape:   a paused run is resumed, by whoever may do that
    Raises:  NotAllowed; NotFound;
             NeedsApproval over a limit; Conflict when it was cancelled or undone, or its world has moved
    """
    actor.require(Permission.RUNS_APPLY)
    with provisioner.databases.identity.write() as connection:
        run = run_queries.require_run(connection, run_id, alone=True)
        if run.state == RunState.PLANNING:
            raise NotFound(f"run {run_id} is not planned yet")
        if run.state in (RunState.CANCELLED, RunState.STALE):
            raise Conflict(f"run {run_id} is {run.state}: make a new plan")
        if run.state == RunState.APPLIED:
            return run
        if run.state != RunState.PAUSED:
            refuse_if_taken_back(connection, run)
            refuse_unless_approved(connection, run, provisioner.settings)
            run_queries.move(connection, run_id, RunState.APPROVED, requested_by=actor.actor_id)
            return run_queries.require_run(connection, run_id)
    return resume(provisioner, run_id, actor)


def pause(provisioner: Provisioner, run_id: str, actor: Actor) -> Run:
    """Stop a run after the batch that is being written; `resume` goes on with it.

    Raises:  NotAllowed; NotFound; Conflict when it is not going to be carried out
    """
    actor.require(Permission.RUNS_CONTROL)
    with provisioner.databases.identity.write() as connection:
        return _move(connection, provisioner, run_id, RunState.PAUSED, actor, event_types.RUN_PAUSED)


def resume(provisioner: Provisioner, run_id: str, actor: Actor) -> Run:
    """Request a paused run again.

    Raises:  NotAllowed; NotFound; Conflict when it is not paused, or was undone meanwhile
    """
    actor.require(Permission.RUNS_CONTROL)
    word, paused = event_types.RUN_RESUMED, [RunState.PAUSED]
    with provisioner.databases.identity.write() as connection:
        refuse_if_taken_back(connection, run_queries.require_run(connection, run_id, alone=True))
        return _move(connection, provisioner, run_id, RunState.APPROVED, actor, word, from_=paused)


def cancel(provisioner: Provisioner, run_id: str, actor: Actor) -> Run:
    """Stop a run for good after the batch that is being written. What it wrote stays; the rest is for the next plan.

    Raises:  NotAllowed; NotFound; Conflict when it is over already
    """
    actor.require(Permission.RUNS_CONTROL)
    with provisioner.databases.identity.write() as connection:
        return _move(connection, provisioner, run_id, RunState.CANCELLED, actor, event_types.RUN_CANCELLED)


def _move(
    connection: Connection,
    provisioner: Provisioner,
    run_id: str,
    to: RunState,
    actor: Actor,
    word: str,
    from_: Collection[RunState] = (),
) -> Run:
    now = provisioner.clock.now()
    finished_at = now if to is RunState.CANCELLED else None
    is_moved = run_queries.move(connection, run_id, to, from_=from_, finished_at=finished_at, error="")
    run = run_queries.require_run(connection, run_id)
    if not is_moved:
        done = "resumed" if to is RunState.APPROVED else to.value
        raise Conflict(f"run {run_id} is {run.state}, so it cannot be {done}")
    record(connection, now.timestamp(), Event(word, subject=run_id, actor=actor.actor_id))
    return run


def retry(provisioner: Provisioner, actor: Actor, person_ids: Collection[str] | None = None) -> list[str]:
    """Try people again who were given up, these or all, and return their ids.

    Raises:  NotAllowed
    """
    actor.require(Permission.RUNS_CONTROL)
    return retry_failed(provisioner, actor.actor_id, person_ids)


def retry_failed(provisioner: Provisioner, actor_id: str, person_ids: Collection[str] | None = None) -> list[str]:
    """As `retry`, for a step that required its own permission."""
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        ids = state_queries.retry(connection, now, None if person_ids is None else list(person_ids))
        events = (Event(event_types.TARGET_RETRIED, person_id, actor_id) for person_id in ids)
        record_all(connection, now.timestamp(), events)
    return ids


# --- who carries what -----------------------------------------------------------------------------------------------


def has_worker(provisioner: Provisioner) -> bool:
    """Return whether a worker lives that carries out runs."""
    with provisioner.databases.sessions.read() as connection:
        return any(one.executes_runs for one in workers.alive(connection, provisioner.clock.timestamp()))


def refuse_while_running(provisioner: Provisioner) -> None:
    """Return if no run is being carried out; one whose carrier has died is let go first.

    Raises:  Conflict
    """
    if (run := release_abandoned(provisioner)) is not None:
        raise Conflict(f"run {run.run_id} is running. Wait for it, or pause it with: idp runs pause {run.run_id}")


def release_abandoned(provisioner: Provisioner, *, is_command: bool = False) -> Run | None:
    """Return the run that is being carried out now.

    Shape:   is_command: the caller holds COMMAND_LOCK, so no other command carries anything
    Effect:  one that nobody carries any more is incomplete and due at once
    """
    run = next(iter(provisioner.read(run_queries.runs_in, RunState.RUNNING)), None)
    if run is None or not _is_abandoned(provisioner, run, is_command=is_command):
        return run
    values = {"next_attempt_at": provisioner.clock.now(), "error": "its worker died"}
    provisioner.write(run_queries.end_attempt, run.run_id, run.attempt, RunState.INCOMPLETE, **values)
    return None


def _is_abandoned(provisioner: Provisioner, run: Run, *, is_command: bool) -> bool:
    if run.runner == Runner.ENGINE:
        return not has_worker(provisioner)
    return is_command or is_free(provisioner.databases, COMMAND_LOCK)


def is_free(databases: Databases, name: str) -> bool:
    """Return whether nobody holds a lock now."""
    with suppress(Conflict), exclusive(databases, name):
        return True
    return False


def next_run(provisioner: Provisioner) -> Run | None:
    """Return the run of which a worker begins the next attempt: requested, or due again. Changes nothing."""
    now = provisioner.clock.now()
    begun = provisioner.read(run_queries.runs_in, RunState.APPROVED, RunState.RUNNING, RunState.INCOMPLETE)
    if any(run.state is RunState.RUNNING for run in begun):
        return None
    for run in sorted(begun, key=lambda run: run.state is RunState.INCOMPLETE):
        is_due = run.next_attempt_at is not None and run.next_attempt_at <= now
        if run.state is RunState.APPROVED or (is_due and _may_go_on(provisioner, run)):
            return run
    return None


def _may_go_on(provisioner: Provisioner, run: Run) -> bool:
    counts = provisioner.read(run_queries.count_by_target, run.run_id)
    targets = [target for target, states in counts.items() if states.get(ChangeState.OPEN)]
    # With nothing open, the run still needs verification. An open circuit breaker is no reason to begin.
    return not targets or any(open_for(provisioner, kind) == 0 for kind in targets)


def awaiting_runs(provisioner: Provisioner) -> list[Run]:
    """Return the plans of what the records ask for that await approval, the oldest first."""
    return [
        run for run in provisioner.read(run_queries.runs_in, RunState.AWAITING_APPROVAL) if run.kind is RunKind.SYNC
    ]


def paused_runs(provisioner: Provisioner) -> list[Run]:
    """Return the runs that somebody paused, the oldest first."""
    return provisioner.read(run_queries.runs_in, RunState.PAUSED)
