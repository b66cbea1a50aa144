"""Carry out a plan in chunks: check that it is still right, write, record each change, read again.

`begin`, `apply_chunk` and `finish` are steps that may be repeated, killed, and done by several processes at once; who
calls them in which process is not decided here. `apply_run` does them one after the other in this one.
"""

import contextvars
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.db.locks import exclusive
from idp.errors import Conflict, IdpError, NotFound, StaleVersion, TargetError
from idp.permissions import Actor, Permission
from idp.provisioning import health, run_queries, state_queries
from idp.provisioning.canary import needs_canary, write_canary
from idp.provisioning.chunk_writer import apply_chunk
from idp.provisioning.chunks import KINDS, Chunk, phases
from idp.provisioning.merging import put_in_force, take_out_of_force
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import queue_calendar, recompute
from idp.provisioning.run import ENDS, ChangeState, Run, RunKind, Runner, RunState
from idp.provisioning.run_policy import POLICIES
from idp.provisioning.run_steps import COMMAND_LOCK, release_abandoned, request
from idp.provisioning.target import Target, entries_named
from idp.provisioning.target_states import State
from idp.provisioning.values import Kind, Outcome
from idp.provisioning.verify import otherwise_in, verify
from idp.provisioning.writer import Progress, TargetWriter, Write, write_of

CHUNKS_AT_ONCE = 2  # in one process, as in a worker
_COUNTED = {
    "done": ChangeState.DONE,
    "left": ChangeState.OPEN,
    "rejected": ChangeState.REJECTED,
    "unverified": ChangeState.UNVERIFIED,
    "superseded": ChangeState.SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class Result:
    """How far a run is after an attempt."""

    run: Run
    done: int
    left: int  # not tried, or failed in a way that may pass
    rejected: int
    unverified: int  # written, and found otherwise afterwards
    superseded: int = 0  # something else is desired by now: for the next plan

    @property
    def is_complete(self) -> bool:
        """Everything was done and seen to be there."""
        return not (self.left or self.rejected or self.unverified)


def result_of(provisioner: Provisioner, run_id: str) -> Result:
    """Return how far a run is, as its rows say: in whichever process it is carried out.

    Raises:  NotFound
    """
    with provisioner.databases.identity.read() as connection:
        run = run_queries.require_run(connection, run_id)
        counts = run_queries.count_changes(connection, run_id)
    return Result(run, **{name: counts.get(state, 0) for name, state in _COUNTED.items()})


def apply_run(provisioner: Provisioner, run_id: str, actor: Actor, *, progress: Progress = lambda _: None) -> Result:
    """Return what became of a plan; one that a kill or an outage cut short goes on where it stopped.

    Raises:  NotAllowed; NotFound;
             NeedsApproval over a limit and StaleVersion when the records or a target moved since, both before
             the first write; CanaryFailed after the first few; Conflict when another run is at work; TargetUnavailable
             when a target went away: what was written is noted, and the run can be applied again
    Effect:  writes to the targets; in batches the outcome of each change, target.changed for each done one, and at
             the end run.applied or run.failed
    """
    actor.require(Permission.RUNS_APPLY)
    with exclusive(provisioner.databases, COMMAND_LOCK):
        if (other := release_abandoned(provisioner, is_command=True)) is not None:
            raise Conflict(f"run {other.run_id} is at work")
        run = request(provisioner, run_id, actor)
        if run.state in ENDS:
            return result_of(provisioner, run_id)
        begun = begin(provisioner, run_id, run.attempt + 1, Runner.COMMAND, progress=progress)
        failure = begun.failure
        for error in apply_chunks(provisioner, run_id, run.attempt + 1, begun.chunks, progress):
            failure = error or failure
        result = finish(provisioner, run_id, run.attempt + 1)
    if failure is not None and result.run.state == RunState.INCOMPLETE:
        raise failure
    return result


def apply_chunks(
    provisioner: Provisioner,
    run_id: str,
    attempt: int,
    chunks: Sequence[Chunk],
    progress: Progress = lambda _: None,
) -> Iterator[TargetError | None]:
    """Carry parts out, phase by phase, two at a time: while one is noted in the journal, the target works on the other.

    Shape:   an error per part; where one is raised, what is under way is finished first, and no more is begun
    """

    def carry(chunk: Chunk, context: contextvars.Context) -> TargetError | None:
        return context.run(apply_chunk, provisioner, run_id, attempt, chunk, progress=progress)

    for _, group in itertools.groupby(chunks, key=lambda chunk: (chunk.target, chunk.way)):
        phase = list(group)
        # A context each: a thread begins without the correlation id of the request or command.
        contexts = [contextvars.copy_context() for _ in phase]
        with ThreadPoolExecutor(CHUNKS_AT_ONCE, thread_name_prefix="apply") as pool:
            yield from pool.map(carry, phase, contexts)


# --- begin ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """What an attempt is to do: chunks in order, and the error of a target that it cannot do anything in."""

    chunks: Sequence[Chunk]
    failure: TargetError | None = None


def begin(
    provisioner: Provisioner, run_id: str, attempt: int, runner: Runner, *, progress: Progress = lambda _: None
) -> Begun:
    """Take up an attempt of a run that was asked for, and return its chunks; a repeat takes up the same one.

    Raises:  StaleVersion when the world moved since the plan, before the first write; CanaryFailed when the first few
             did not come out well; Conflict when another run, or another attempt, is at work
    Effect:  the run is at work; the first few people are written and checked
    """
    run = _start(provisioner, run_id, attempt, runner)
    goes_back = False
    try:
        targets = _targets_of(run, provisioner)
        counts = provisioner.read(run_queries.count_by_target, run_id)
        untouched = [target for target in targets if counts.get(target.kind, {}).keys() <= {ChangeState.OPEN}]
        is_new = len(untouched) == len(targets)
        if run.kind == RunKind.MERGE:  # from now on the records ask for what the plan has
            goes_back = put_in_force(provisioner, run) and is_new
        failing: dict[str, TargetError] = {}
        # Undo and removal are not what the records ask for. What they ask for meanwhile, the next run writes. What they
        # come too late for is superseded, person by person, when it is written.
        if POLICIES[run.kind].late_check is None:
            if is_new:
                _refuse_if_records_moved(provisioner, run)
            for target in untouched:
                with health.collecting_failures(provisioner, target.kind, failing):
                    _refuse_if_target_moved(provisioner, target, run, progress)
        tried = (target for target in targets if needs_canary(provisioner, run, counts, target))
        write_canary(provisioner, run, [target for target in tried if target.kind not in failing], failing, progress)
    except IdpError as error:
        if goes_back and isinstance(error, StaleVersion):
            take_out_of_force(provisioner, run)
        _stop(provisioner, run, error)
        raise
    able = [target.kind for target in targets if target.kind not in failing]
    return Begun(_chunks(provisioner, run, able), next(iter(failing.values()), None))


def _start(provisioner: Provisioner, run_id: str, attempt: int, runner: Runner) -> Run:
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        is_new = run_queries.start_attempt(connection, run_id, attempt - 1, runner, now)
        run = run_queries.require_run(connection, run_id)
        if is_new and POLICIES[run.kind].ends_plans:
            run_queries.drop_sharing(connection, run_id, now)
    if (run.state, run.attempt) != (RunState.RUNNING, attempt):
        raise Conflict(f"run {run_id} is {run.state}, or another one is at work")
    return run


def _targets_of(run: Run, provisioner: Provisioner) -> list[Target]:
    missing = [kind for kind, part in run.summary.items() if part.counts and kind not in provisioner.targets]
    if missing:
        raise NotFound(f"this plan is for {', '.join(missing)}, which the settings do not have any more")
    return [target for kind, target in provisioner.targets.items() if kind in run.summary]


def _chunks(provisioner: Provisioner, run: Run, targets: Sequence[str]) -> list[Chunk]:
    return [
        Chunk(target, way, number, run.chunk)
        for target, way in phases(targets)
        for number in provisioner.read(run_queries.open_chunks, run.run_id, target, KINDS[way], run.chunk)
    ]


def _stop(provisioner: Provisioner, run: Run, error: IdpError) -> None:
    """End an attempt that cannot begin: for good when its world moved, until somebody asks again otherwise."""
    state = RunState.STALE if isinstance(error, StaleVersion) else RunState.INCOMPLETE
    finished_at = provisioner.clock.now() if state is RunState.STALE else None
    _end_attempt(
        provisioner, run, state, {"code": error.code}, error=str(error), error_code=error.code, finished_at=finished_at
    )


def _end_attempt(
    provisioner: Provisioner, run: Run, state: RunState, data: dict[str, Any], *, error: str, **values: Any
) -> None:
    """End an attempt, with run.applied or run.failed, unless it was paused, cancelled or taken over."""
    word = event_types.RUN_APPLIED if state is RunState.APPLIED else event_types.RUN_FAILED
    with provisioner.databases.identity.write() as connection:
        if run_queries.end_attempt(connection, run.run_id, run.attempt, state, error=error, **values):
            event = Event(word, run.run_id, run.requested_by, error[:200], data)
            record(connection, provisioner.clock.timestamp(), event)


# --- has the world moved? -------------------------------------------------------------------------------------------


def _refuse_if_records_moved(provisioner: Provisioner, run: Run) -> None:
    """Return if the records still ask for what the plan has. Every cause of a change queues its people."""
    queue_calendar(provisioner)
    recompute(provisioner, provisioner.read(run_queries.changed_since, run.run_id))
    _refuse(provisioner.read(run_queries.desired_otherwise, run.run_id))


def _refuse_if_target_moved(provisioner: Provisioner, target: Target, run: Run, progress: Progress) -> None:
    """Return if every change still turns what is there into what is desired; a create says so itself when it is made.

    Effect:  a change that was made before, its outcome lost by a kill, is stored as done; one that another run made is
             superseded
    """
    moved: list[str] = []
    writer = TargetWriter(provisioner, target, run.requested_by, run)
    where = {"state": ChangeState.OPEN, "target": target.kind, "kind": [kind for kind in Kind if kind != Kind.CREATE]}
    for rows in run_queries.pages_of_changes(provisioner.databases.identity, run.run_id, **where):
        writes = [write_of(row) for row in rows]
        there = entries_named(target, {one.person_id: one.change.before.name for one in writes if one.change.before})
        known = provisioner.read(state_queries.states_among, target.kind, [row.person_id for row in rows])
        made_before: list[tuple[Write, Outcome]] = []
        by_others: dict[int, str] = {}
        for one, row in zip(writes, rows, strict=True):
            found, state = there.get(one.person_id), known[one.person_id].state
            if found == one.change.after and row.desired and state is State.IN_SYNC:
                by_others[row.number] = "it is so already"  # a run with the same change was quicker
            elif found == one.change.after:
                made_before.append((one, Outcome(one.change)))
            elif found != one.change.before:
                moved.append(row.name)
        writer.confirm(made_before, known)
        writer.supersede(by_others)
        provisioner.write(run_queries.note_progress, run.run_id, run.attempt, provisioner.clock.now())
        progress(len(made_before))
    _refuse(moved)


def _refuse(moved: Sequence[str]) -> None:
    if moved:
        some = ", ".join(moved[:3]) + (" …" if len(moved) > 3 else "")
        raise StaleVersion(f"{len(moved)} people changed since this plan was made ({some}): make a new one")


# --- finish ---------------------------------------------------------------------------------------------------------


def finish(provisioner: Provisioner, run_id: str, attempt: int) -> Result:
    """Look again at everything that was written, end the attempt, and return how far the run is.

    Effect:  run.applied, or run.failed with something left for another attempt; nothing where the run was paused,
             cancelled or taken over meanwhile
    """
    run = provisioner.read(run_queries.require_run, run_id)
    if (run.state, run.attempt) != (RunState.RUNNING, attempt):
        return result_of(provisioner, run_id)
    failing: dict[str, TargetError] = {}
    for target in _targets_of(run, provisioner):
        with health.collecting_failures(provisioner, target.kind, failing):
            if not _verify(provisioner, target, run):
                return result_of(provisioner, run_id)
    now = provisioner.clock.now()
    provisioner.write(run_queries.drop_unneeded, now)
    result = result_of(provisioner, run_id)
    data = {"attempt": attempt, **{name: getattr(result, name) for name in _COUNTED}}
    if failing or result.left:
        error = str(next(iter(failing.values()), "")) or _why_left(provisioner, run)
        again_at = now + timedelta(seconds=health.pause_s(provisioner, attempt))
        _end_attempt(provisioner, run, RunState.INCOMPLETE, data, error=error, next_attempt_at=again_at)
    else:
        _end_attempt(provisioner, run, RunState.APPLIED, data, error="", finished_at=now)
    return result_of(provisioner, run_id)


def _verify(provisioner: Provisioner, target: Target, run: Run) -> bool:
    """Look again at what a run wrote to one target, and return whether its attempt still goes on."""
    for rows in otherwise_in(provisioner, target, run):
        verify(provisioner, target, run, rows)
        if not provisioner.write(run_queries.note_progress, run.run_id, run.attempt, provisioner.clock.now()):
            return False
    return True


def _why_left(provisioner: Provisioner, run: Run) -> str:
    rows = provisioner.read(run_queries.changes_of, run.run_id, state=ChangeState.OPEN, limit=1)
    found = health.health_of(provisioner, rows[0].target) if rows else None
    return (rows[0].error if rows else "") or (found.error if found else "")
