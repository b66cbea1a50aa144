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

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.db.locks import exclusive
from idp.errors import Conflict, IdpError, NotFound, StaleVersion, TargetError, TargetUnavailable
from idp.permissions import Actor, Permission
from idp.provisioning import health
from idp.provisioning import run_queries as runs
from idp.provisioning.canary import needs_first_few, try_first_few
from idp.provisioning.chunk_writer import apply_chunk
from idp.provisioning.chunks import Chunk, phases
from idp.provisioning.merging import put_in_force, take_out_of_force
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import queue_calendar, recompute
from idp.provisioning.run_steps import COMMAND_LOCK, release_abandoned, request
from idp.provisioning.runs import ENDS, JUDGED_LATE, ChangeRow, ChangeState, Run, RunKind, Runner, RunState
from idp.provisioning.state_queries import states_among
from idp.provisioning.states import State
from idp.provisioning.target import Target, entries_named
from idp.provisioning.values import Outcome
from idp.provisioning.verify import otherwise_in, verify
from idp.provisioning.writer import Progress, TargetWriter, Write, change_of

CHUNKS_AT_ONCE = 2  # in one process, as in a worker


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
        run = runs.load_run(connection, run_id)
        counts = runs.count_changes(connection, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return Result(
        run,
        done=counts.get(ChangeState.DONE, 0),
        left=counts.get(ChangeState.OPEN, 0),
        rejected=counts.get(ChangeState.REJECTED, 0),
        unverified=counts.get(ChangeState.UNVERIFIED, 0),
        superseded=counts.get(ChangeState.SUPERSEDED, 0),
    )


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

    def carry(chunk: Chunk) -> TargetError | None:
        return apply_chunk(provisioner, run_id, attempt, chunk, progress=progress)

    for _, phase in itertools.groupby(chunks, key=lambda chunk: (chunk.target, chunk.way)):
        with ThreadPoolExecutor(CHUNKS_AT_ONCE, thread_name_prefix="apply") as pool:
            # A context each: a thread begins without the correlation id of the request or command.
            begun = [pool.submit(contextvars.copy_context().run, carry, chunk) for chunk in phase]
            try:
                for each in begun:
                    yield each.result()
            finally:
                pool.shutdown(cancel_futures=True)


# --- begin ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """What an attempt is to do: parts in order, and the error of a target that it cannot do anything in."""

    chunks: Sequence[Chunk]
    failure: TargetError | None = None


def begin(
    provisioner: Provisioner, run_id: str, attempt: int, runner: Runner, *, progress: Progress = lambda _: None
) -> Begun:
    """Take up an attempt of a run that was asked for, and return its parts; a repeat takes up the same one.

    Raises:  StaleVersion when the world moved since the plan, before the first write; CanaryFailed when the first few
             did not come out well; Conflict when another run, or another attempt, is at work
    Effect:  the run is at work; the first few people are written and checked
    """
    run = _start(provisioner, run_id, attempt, runner)
    goes_back = False
    try:
        targets = _targets_of(run, provisioner)
        with provisioner.databases.identity.read() as connection:
            counts = runs.count_by_target(connection, run_id)
        untouched = [target for target in targets if counts.get(target.kind, {}).keys() <= {ChangeState.OPEN}]
        is_new = len(untouched) == len(targets)
        if run.kind == RunKind.MERGE:  # from now on the records ask for what the plan has
            goes_back = put_in_force(provisioner, run) and is_new
        # Undo and removal are not what the records ask for. What they ask for meanwhile, the next run writes.
        if is_new and run.kind not in JUDGED_LATE:
            _refuse_if_records_moved(provisioner, run)
        first = [target for target in targets if needs_first_few(provisioner, run, counts, target)]
        failing = _failing(provisioner, run, untouched, first, progress)
        first = [target for target in first if target.kind not in failing]
        failing |= try_first_few(provisioner, run, first, progress)
    except IdpError as error:
        if goes_back and isinstance(error, StaleVersion):
            take_out_of_force(provisioner, run)
        _stop(provisioner, run, error)
        raise
    able = [target.kind for target in targets if target.kind not in failing]
    return Begun(_chunks(provisioner, run, able), next(iter(failing.values()), None))


def _failing(
    provisioner: Provisioner, run: Run, untouched: Sequence[Target], first: Sequence[Target], progress: Progress
) -> dict[str, TargetError]:
    """Return the targets in which this attempt can do nothing, and why: another is not to wait for them.

    Raises:  StaleVersion
    """
    failing: dict[str, TargetError] = {}
    # What an undo or a removal comes too late for is superseded, person by person, when it is written.
    for target in untouched if run.kind not in JUDGED_LATE else ():
        try:
            _refuse_if_target_moved(provisioner, target, run, progress)
        except TargetError as error:
            health.note_failure(provisioner, target.kind, error)
            failing[target.kind] = error
    for target in first:
        try:  # where the circuit breaker is open, there is no canary and nobody else is written
            health.refuse_if_open(provisioner, target.kind)
        except TargetUnavailable as error:
            failing.setdefault(target.kind, error)
    return failing


def _start(provisioner: Provisioner, run_id: str, attempt: int, runner: Runner) -> Run:
    with provisioner.databases.identity.write() as connection:
        is_new = runs.start_attempt(connection, run_id, attempt - 1, runner, provisioner.clock.now())
        run = runs.load_run(connection, run_id)
        if is_new and run is not None and run.kind is RunKind.UNDO:
            runs.drop_sharing(connection, run_id, provisioner.clock.now())
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    if (run.state, run.attempt) != (RunState.RUNNING, attempt):
        raise Conflict(f"run {run_id} is {run.state}, or another one is at work")
    return run


def _targets_of(run: Run, provisioner: Provisioner) -> list[Target]:
    missing = [kind for kind, part in run.summary.items() if part.counts and kind not in provisioner.targets]
    if missing:
        raise NotFound(f"this plan is for {', '.join(missing)}, which the settings do not have any more")
    return [target for kind, target in provisioner.targets.items() if kind in run.summary]


def _chunks(provisioner: Provisioner, run: Run, targets: Sequence[str]) -> list[Chunk]:
    with provisioner.databases.identity.read() as connection:
        return [
            Chunk(target, way, number, run.chunk)
            for target, way in phases(targets)
            for number in runs.open_chunks(connection, run.run_id, target, Chunk(target, way, 0, 1).kinds, run.chunk)
        ]


def _stop(provisioner: Provisioner, run: Run, error: IdpError) -> None:
    """End an attempt that cannot begin: for good when its world moved, until somebody asks again otherwise."""
    state = RunState.STALE if isinstance(error, StaleVersion) else RunState.INCOMPLETE
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        finished_at = now if state is RunState.STALE else None
        values = {"error": str(error), "error_code": error.code, "finished_at": finished_at}
        if runs.end_attempt(connection, run.run_id, run.attempt, state, **values):
            event = Event(event_types.RUN_FAILED, run.run_id, run.requested_by, str(error)[:200], {"code": error.code})
            record(connection, now.timestamp(), event)


# --- has the world moved? -------------------------------------------------------------------------------------------


def _refuse_if_records_moved(provisioner: Provisioner, run: Run) -> None:
    """Return if the records still ask for what the plan has. Every cause of a change queues its people."""
    queue_calendar(provisioner)
    with provisioner.databases.identity.read() as connection:
        changed = list(runs.changed_since(connection, run.run_id))
    recompute(provisioner, changed)
    with provisioner.databases.identity.read() as connection:
        moved = [name for _, name in runs.desired_otherwise(connection, run.run_id)]
    if moved:
        raise _stale(moved)


def _refuse_if_target_moved(provisioner: Provisioner, target: Target, run: Run, progress: Progress) -> None:
    """Return if every change still turns what is there into what is desired; a create says so itself when it is made.

    Effect:  a change that was made before, its outcome lost by a kill, is stored as done; one that another run made is
             superseded
    """
    moved: list[str] = []
    writer = TargetWriter(provisioner, target, run.requested_by, run)
    for rows in _open_rows(provisioner, run, target, of_entries=True):
        ids = [row.person_id for row in rows]
        there = entries_named(target, {row.person_id: entry.name for row in rows if (entry := change_of(row).before)})
        with provisioner.databases.identity.read() as connection:
            known = states_among(connection, target.kind, ids)
        made_before: list[tuple[Write, Outcome]] = []
        by_others: dict[int, str] = {}
        for row in rows:
            change, found, state = change_of(row), there.get(row.person_id), known[row.person_id]
            if found == change.after and row.desired and state.state is State.IN_SYNC:
                by_others[row.number] = "it is so already"  # a run with the same change was quicker
            elif found == change.after:
                made_before.append((Write(change, row), Outcome(change)))
            elif found != change.before:
                moved.append(row.name)
        writer.confirm(made_before, known)
        writer.supersede(by_others)
        with provisioner.databases.identity.write() as connection:
            runs.note_progress(connection, run.run_id, run.attempt, provisioner.clock.now())
        progress(len(made_before))
    if moved:
        raise _stale(moved)


def _stale(names: Sequence[str]) -> StaleVersion:
    some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return StaleVersion(f"{len(names)} people changed since this plan was made ({some}): make a new one")


# --- finish ---------------------------------------------------------------------------------------------------------


def finish(provisioner: Provisioner, run_id: str, attempt: int) -> Result:
    """Look again at everything that was written, end the attempt, and return how far the run is.

    Effect:  run.applied, or run.failed with something left for another attempt; nothing where the run was paused,
             cancelled or taken over meanwhile
    """
    with provisioner.databases.identity.read() as connection:
        run = runs.load_run(connection, run_id)
        if run is None or not runs.is_going(connection, run_id, attempt):
            return result_of(provisioner, run_id)
    failure: TargetError | None = None
    for target in _targets_of(run, provisioner):
        try:
            _verify_all(provisioner, target, run)
        except TargetError as error:
            health.note_failure(provisioner, target.kind, error)
            failure = failure or error
    return _end(provisioner, run, failure)


def _verify_all(provisioner: Provisioner, target: Target, run: Run) -> None:
    for rows in otherwise_in(provisioner, target, run):
        verify(provisioner, target, run, rows)
        with provisioner.databases.identity.write() as connection:
            if not runs.note_progress(connection, run.run_id, run.attempt, provisioner.clock.now()):
                return


def _end(provisioner: Provisioner, run: Run, failure: TargetError | None) -> Result:
    result = result_of(provisioner, run.run_id)
    now = provisioner.clock.now()
    is_over = failure is None and result.left == 0
    error = "" if is_over else str(failure or _why_left(provisioner, run))
    next_attempt_at = None if is_over else now + timedelta(seconds=health.pause_of_run(provisioner, run.attempt))
    values = {"finished_at": now if is_over else None, "next_attempt_at": next_attempt_at, "error": error}
    data = {
        "attempt": run.attempt,
        "done": result.done,
        "left": result.left,
        "rejected": result.rejected,
        "unverified": result.unverified,
        "superseded": result.superseded,
    }
    word, state = (
        (event_types.RUN_APPLIED, RunState.APPLIED) if is_over else (event_types.RUN_FAILED, RunState.INCOMPLETE)
    )
    with provisioner.databases.identity.write() as connection:
        runs.drop_unneeded(connection, now)
        if runs.end_attempt(connection, run.run_id, run.attempt, state, **values):
            record(connection, now.timestamp(), Event(word, run.run_id, run.requested_by, error[:200], data))
    return result_of(provisioner, run.run_id)


def _why_left(provisioner: Provisioner, run: Run) -> str:
    with provisioner.databases.identity.read() as connection:
        rows = runs.changes_of(connection, run.run_id, state=ChangeState.OPEN, limit=1)
    if not rows:
        return ""
    found = health.health_of(provisioner, rows[0].target)
    return rows[0].error or (found.error if found else "")


# --- rows -----------------------------------------------------------------------------------------------------------


def _open_rows(
    provisioner: Provisioner, run: Run, target: Target, *, of_entries: bool = False
) -> Iterator[list[ChangeRow]]:
    """Yield open changes in order; one that stays open does not come again."""
    last = -1
    while rows := _rows(provisioner, run, target, last, ChangeState.OPEN, of_entries=of_entries):
        last = rows[-1].number
        yield rows


def _rows(
    provisioner: Provisioner, run: Run, target: Target, after: int, state: str, *, of_entries: bool = False
) -> list[ChangeRow]:
    with provisioner.databases.identity.read() as connection:
        return runs.changes_of(
            connection, run.run_id, after=after, state=state, target=target.kind, of_entries=of_entries
        )
