"""Carry out a plan in portions: check that its world still stands, write, journal each change, look again.

`begin`, `apply_part` and `finish` are steps that may be repeated, killed, and done by several processes at once; who
calls them in which process is not decided here. `apply_run` does them one after the other in this one.
"""

import contextvars
import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from idp.audit import words
from idp.audit.events import Event, record
from idp.errors import CanaryFailed, Conflict, IdpError, NotFound, StaleVersion, TargetError, TargetUnavailable
from idp.provisioning import health
from idp.provisioning.asking import COMMAND_LOCK, ask_for, release_abandoned
from idp.provisioning.merging import put_in_force, take_out_of_force
from idp.provisioning.parts import Part, phases
from idp.provisioning.planning import refresh_those
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.undo import overtaken
from idp.provisioning.values import Outcome, Target
from idp.provisioning.writing import (
    Progress,
    change_of,
    is_targets_trouble,
    note,
    otherwise_in,
    verify,
    write_batch,
    write_one_by_one,
)
from idp.store import runs
from idp.store.locks import exclusive
from idp.store.provisioning import states_among
from idp.store.runs import ChangeRow, Run

PARTS_AT_ONCE = 2  # in one process, as in a worker
SLICE_S = 0.25  # between two looks whether a run that waits was stopped
PASSES = 3  # over one part, for changes that may succeed a moment later
STUMBLES = 2  # of one batch in a target that answers, before its changes are made one by one


@dataclass(frozen=True, slots=True)
class Result:
    """How far a run is after an attempt."""

    run: Run
    done: int
    left: int  # not tried, or failed in a way that may pass
    rejected: int
    unverified: int  # written, and found otherwise afterwards
    moved: int = 0  # desired otherwise by now: for the next plan

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
        done=counts.get(runs.DONE, 0),
        left=counts.get(runs.OPEN, 0),
        rejected=counts.get(runs.REJECTED, 0),
        unverified=counts.get(runs.UNVERIFIED, 0),
        moved=counts.get(runs.MOVED, 0),
    )


def apply_run(provisioner: Provisioner, run_id: str, actor: str, *, progress: Progress = lambda _: None) -> Result:
    """Return what became of a plan; one that a kill or an outage cut short goes on where it stopped.

    Raises:  NotFound; NeedsApproval over a limit and StaleVersion when the records or a target moved since, both before
             the first write; CanaryFailed after the first few; Conflict when another run is at work; TargetUnavailable
             when a target went away: what was written is noted, and the run can be applied again
    Effect:  writes to the targets; in batches the outcome of each change, target.changed for each done one, and at
             the end run.applied or run.failed
    """
    with exclusive(provisioner.databases, COMMAND_LOCK):
        if (other := release_abandoned(provisioner, is_command=True)) is not None:
            raise Conflict(f"run {other.run_id} is at work")
        run = ask_for(provisioner, run_id, actor)
        if run.state in runs.ENDS:
            return result_of(provisioner, run_id)
        begun = begin(provisioner, run_id, run.attempt + 1, runs.BY_COMMAND, progress=progress)
        failure = begun.failure
        for error in apply_parts(provisioner, run_id, run.attempt + 1, begun.parts, progress):
            failure = error or failure
        result = finish(provisioner, run_id, run.attempt + 1)
    if failure is not None and result.run.state == runs.INCOMPLETE:
        raise failure
    return result


def apply_parts(
    provisioner: Provisioner,
    run_id: str,
    attempt: int,
    parts: Sequence[Part],
    progress: Progress = lambda _: None,
) -> Iterator[TargetError | None]:
    """Carry parts out, phase by phase, two at a time: while one is noted in the journal, the target works on the other.

    Shape:   an error per part; where one is raised, what is under way is finished first, and no more is begun
    """

    def carry(part: Part) -> TargetError | None:
        return apply_part(provisioner, run_id, attempt, part, progress=progress)

    for _, phase in itertools.groupby(parts, key=lambda part: (part.target, part.way)):
        with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="apply") as pool:
            # A context each: a thread begins without the correlation id of the request or command.
            begun = [pool.submit(contextvars.copy_context().run, carry, part) for part in phase]
            try:
                for each in begun:
                    yield each.result()
            finally:
                pool.shutdown(cancel_futures=True)


# --- begin ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """What an attempt is to do: parts in order, and the error of a target that it cannot do anything in."""

    parts: Sequence[Part]
    failure: TargetError | None = None


def begin(
    provisioner: Provisioner, run_id: str, attempt: int, carried_by: str, *, progress: Progress = lambda _: None
) -> Begun:
    """Take up an attempt of a run that was asked for, and return its parts; a repeat takes up the same one.

    Raises:  StaleVersion when the world moved since the plan, before the first write; CanaryFailed when the first few
             did not come out well; Conflict when another run, or another attempt, is at work
    Effect:  the run is at work; the first few people are written and checked
    """
    run = _take_up(provisioner, run_id, attempt, carried_by)
    failing: dict[str, TargetError] = {}
    goes_back = False
    try:
        targets = _targets_of(run, provisioner)
        with provisioner.databases.identity.read() as connection:
            counts = runs.count_by_target(connection, run_id)
        untouched = [target for target in targets if counts.get(target.kind, {}).keys() <= {runs.OPEN}]
        if run.kind == runs.MERGE:  # from now on the records ask for what the plan has
            goes_back = put_in_force(provisioner, run) and len(untouched) == len(targets)
        # An undo is not what the records ask for; where they ask for something new meanwhile, the next run writes it.
        if len(untouched) == len(targets) and run.kind != runs.UNDO:
            _refuse_if_records_moved(provisioner, run)
        for target in untouched:
            try:
                _refuse_if_target_moved(provisioner, target, run, progress)
            except TargetError as error:  # another target is not to wait for this one
                health.note_failure(provisioner, target.kind, error)
                failing[target.kind] = error
        for target in targets:
            if _needs_first_few(provisioner, run, counts, target) and target.kind not in failing:
                try:
                    health.refuse_if_closed(provisioner, target.kind)
                except TargetUnavailable as error:  # nobody is tried first in what is left alone; nor then all
                    failing[target.kind] = error
        able = [target for target in targets if target.kind not in failing]
        first = [target for target in able if _needs_first_few(provisioner, run, counts, target)]
        if first:
            _canary(provisioner, run, first, progress)
    except IdpError as error:
        if goes_back and isinstance(error, StaleVersion):
            take_out_of_force(provisioner, run)
        _stop(provisioner, run, error)
        raise
    return Begun(_parts(provisioner, run, [target.kind for target in able]), next(iter(failing.values()), None))


def _take_up(provisioner: Provisioner, run_id: str, attempt: int, carried_by: str) -> Run:
    with provisioner.databases.identity.write() as connection:
        from_ = (runs.APPROVED, runs.INCOMPLETE)
        runs.take_up(connection, run_id, from_, attempt - 1, carried_by, provisioner.clock.now())
        run = runs.load_run(connection, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    if (run.state, run.attempt) != (runs.APPLYING, attempt):
        raise Conflict(f"run {run_id} is {run.state}, or another one is at work")
    return run


def _targets_of(run: Run, provisioner: Provisioner) -> list[Target]:
    missing = [kind for kind, part in run.summary.items() if part.counts and kind not in provisioner.targets]
    if missing:
        raise NotFound(f"this plan is for {', '.join(missing)}, which the settings do not have any more")
    return [target for kind, target in provisioner.targets.items() if kind in run.summary]


def _parts(provisioner: Provisioner, run: Run, targets: Sequence[str]) -> list[Part]:
    with provisioner.databases.identity.read() as connection:
        return [
            Part(target, way, number, run.chunk)
            for target, way in phases(targets)
            for number in runs.open_portions(connection, run.run_id, target, Part(target, way, 0, 1).kinds, run.chunk)
        ]


def _stop(provisioner: Provisioner, run: Run, error: IdpError) -> None:
    """End an attempt that cannot begin: for good when its world moved, until somebody asks again otherwise."""
    state = runs.STALE if isinstance(error, StaleVersion) else runs.INCOMPLETE
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        values = {"error": str(error), "finished_at": now if state == runs.STALE else None}
        if runs.end_attempt(connection, run.run_id, run.attempt, state, **values):
            event = Event(words.RUN_FAILED, run.run_id, run.asked_by, str(error)[:200], {"code": error.code})
            record(connection, now.timestamp(), event)


# --- has the world moved? -------------------------------------------------------------------------------------------


def _refuse_if_records_moved(provisioner: Provisioner, run: Run) -> None:
    """Return if the records still ask for what the plan has.

    Every cause of a change leaves a mark, so only the marked are looked at; after midnight, everybody in the plan.
    """
    is_of_today = run.created_at.astimezone(provisioner.zone).date() == provisioner.today()
    with provisioner.databases.identity.read() as connection:
        ask = runs.marked_since if is_of_today else runs.people_in
        refresh_those(provisioner, ask(connection, run.run_id))
    with provisioner.databases.identity.read() as connection:
        moved = [name for _, name in runs.desired_otherwise(connection, run.run_id)]
    if moved:
        raise _stale(moved)


def _refuse_if_target_moved(provisioner: Provisioner, target: Target, run: Run, progress: Progress) -> None:
    """Return if every change still turns what is there into what is wanted; a create says so itself when it is made.

    Effect:  a change that was made before, its outcome lost by a kill, is noted as done
    """
    moved: list[str] = []
    for rows in _open_rows(provisioner, run, target, of_entries=True):
        there = {entry.person_id: entry for entry in target.read([row.person_id for row in rows])}
        made_before: list[tuple[ChangeRow, Outcome]] = []
        for row in rows:
            change, found = change_of(row), there.get(row.person_id)
            if found == change.after:
                made_before.append((row, Outcome(change)))
            elif found != change.before:
                moved.append(row.name)
        note(provisioner, target, run, made_before)
        progress(len(made_before))
    if moved:
        raise _stale(moved)


def _stale(names: Sequence[str]) -> StaleVersion:
    some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return StaleVersion(f"{len(names)} people changed since this plan was made ({some}): make a new one")


# --- the first few --------------------------------------------------------------------------------------------------


def _canary(provisioner: Provisioner, run: Run, targets: Sequence[Target], progress: Progress) -> None:
    """Write and check a few people in these targets before all others.

    Raises:  CanaryFailed when one of them is found otherwise, or a target refuses most of them
    """
    for target in targets:
        _look_at_first(provisioner, target, run)
    people = _first_people(provisioner, run, targets, provisioner.settings.canary)
    by_kind = {target.kind: target for target in targets}
    for kind, way in phases(list(by_kind)):
        part = Part(kind, way, 0, 1)
        with provisioner.databases.identity.read() as connection:
            rows = runs.changes_of(
                connection, run.run_id, state=runs.OPEN, target=kind, kinds=part.kinds, person_ids=people
            )
        if rows:
            _try_first(provisioner, by_kind[kind], run, rows, progress)


def _needs_first_few(
    provisioner: Provisioner, run: Run, counts: Mapping[str, Mapping[str, int]], target: Target
) -> bool:
    """Return whether a few go before all others; a run of no more people has no canary.

    Also where no more than the first few were written: a kill may have kept them from being looked at.
    """
    few = provisioner.settings.canary
    return 0 < few < run.changes and counts.get(target.kind, {}).get(runs.DONE, 0) <= few


def _look_at_first(provisioner: Provisioner, target: Target, run: Run) -> None:
    """Look at what an attempt before wrote."""
    with provisioner.databases.identity.read() as connection:
        rows = runs.changes_of(connection, run.run_id, state=runs.DONE, target=target.kind)
    try:
        wrong = verify(provisioner, target, run, rows) if rows else []
    except TargetError as error:
        health.note_failure(provisioner, target.kind, error)
        return
    _refuse_if_otherwise(target, rows, wrong)


def _refuse_if_otherwise(target: Target, rows: Sequence[ChangeRow], wrong: Sequence[ChangeRow]) -> None:
    if wrong:
        raise CanaryFailed(
            f"{len(wrong)} of the first {len(rows)} people in {target.kind} were found otherwise after they were"
            f" written ({wrong[0].name}); nobody else was"
        )


def _first_people(provisioner: Provisioner, run: Run, targets: Sequence[Target], count: int) -> list[str]:
    each = max(1, count // max(1, len(targets)))
    with provisioner.databases.identity.read() as connection:
        return [
            row.person_id
            for target in targets
            for row in runs.changes_of(connection, run.run_id, state=runs.OPEN, target=target.kind, limit=each)
        ]


def _note_health(provisioner: Provisioner, target: Target, outcomes: Sequence[tuple[ChangeRow, Outcome]]) -> None:
    errors = [outcome.error for _, outcome in outcomes if outcome.error is not None]
    if is_targets_trouble(outcomes):
        health.note_failure(provisioner, target.kind, errors[0])
    elif outcomes:
        health.note_success(provisioner, target.kind)


def _try_first(
    provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow], progress: Progress
) -> None:
    try:
        if run.kind == runs.UNDO:
            rows = _still_to_undo(provisioner, run, target, rows)
        else:
            rows = _still_wanted(provisioner, run, target, rows)
        outcomes = write_batch(provisioner, target, run, rows, progress)
        done = [row for row, outcome in outcomes if outcome.error is None]
        wrong = verify(provisioner, target, run, done)
    except TargetError as error:  # it is ill and not the plan; others do not wait
        health.note_failure(provisioner, target.kind, error)
        return
    _note_health(provisioner, target, outcomes)
    refused = [outcome.error for _, outcome in outcomes if outcome.error is not None and not outcome.error.retryable]
    _refuse_if_otherwise(target, rows, wrong)
    if len(refused) >= max(3, len(rows) // 2 + 1):
        raise CanaryFailed(f"{target.kind} refused {len(refused)} of the first {len(rows)} people: {refused[0]}")


# --- write ----------------------------------------------------------------------------------------------------------


def apply_part(
    provisioner: Provisioner, run_id: str, attempt: int, part: Part, *, progress: Progress = lambda _: None
) -> TargetError | None:
    """Make the open changes of one part, and return the error for which some were left open, if any.

    Effect:  a repeat, and another process doing the same, are harmless. Between two batches it looks whether the run
             was paused, cancelled or taken over; a target that fails is waited for, a moment
    """
    target = provisioner.targets.get(part.target)
    with provisioner.databases.identity.read() as connection:
        run = runs.load_run(connection, run_id)
    if target is None or run is None:
        raise NotFound(f"there is no run {run_id}, or no target {part.target} any more")
    writer = _PartWriter(provisioner, replace(run, attempt=attempt), target, part, progress)
    for number in range(PASSES):
        if number and not writer.wait(provisioner.settings.target_retry_s * 2**number):
            break
        writer.error = None
        if not writer.go_through() or writer.error is None:
            break
    return writer.error


@dataclass(slots=True)
class _PartWriter:
    """Goes through the open changes of a part, batch by batch."""

    provisioner: Provisioner
    run: Run
    target: Target
    part: Part
    progress: Progress
    error: TargetError | None = None

    def go_through(self) -> bool:
        """Make every open change once; False when the run, or the target, has no use of another try now."""
        after = self.part.after
        while rows := self._rows(after):
            if not self._is_free(len(rows)):
                return False
            wanted = _still_wanted(self.provisioner, self.run, self.target, rows)
            if wanted and not self._write(wanted):
                return False
            after = rows[-1].number
        return True

    def _rows(self, after: int) -> list[ChangeRow]:
        with self.provisioner.databases.identity.read() as connection:
            return runs.changes_of(
                connection,
                self.run.run_id,
                after=after,
                upto=self.part.upto,
                limit=health.most_at_once(self.provisioner, self.target.kind),
                state=runs.OPEN,
                target=self.target.kind,
                kinds=self.part.kinds,
            )

    def _is_free(self, count: int) -> bool:
        """Wait until the target may be written at its pace and is not left alone; False when that takes too long."""
        found = health.health_of(self.provisioner, self.target.kind)
        if found is not None:
            closed_s = found.closed_until - self.provisioner.clock.timestamp()
            if closed_s > self.provisioner.settings.target_patience_s:
                self.error = TargetUnavailable(found.error)
                return False
            if closed_s > 0 and not self.wait(closed_s):
                return False
        return self.wait(health.turn_in_s(self.provisioner, self.target.kind, count))

    def _write(self, rows: Sequence[ChangeRow]) -> bool:
        """Write one batch; False when the target is to be left alone for longer than we wait."""
        for stumbled in range(STUMBLES + 1):
            write = write_batch if stumbled < STUMBLES else write_one_by_one
            try:
                still = self._open_among(rows, stumbled)
                if self.run.kind == runs.UNDO:
                    still = _still_to_undo(self.provisioner, self.run, self.target, still)
                outcomes = write(self.provisioner, self.target, self.run, still, self.progress)
            except TargetError as error:
                self.error = error
                pause_s = health.note_failure(self.provisioner, self.target.kind, error)
                if pause_s > self.provisioner.settings.target_patience_s or not self.wait(pause_s):
                    return False
                continue
            return self._judge(outcomes)
        return False

    def _open_among(self, rows: Sequence[ChangeRow], stumbled: int) -> Sequence[ChangeRow]:
        """Leave out what a batch had done before it stumbled."""
        if not stumbled:
            return rows
        with self.provisioner.databases.identity.read() as connection:
            still = runs.changes_of(
                connection,
                self.run.run_id,
                after=rows[0].number - 1,
                upto=rows[-1].number,
                state=runs.OPEN,
                target=self.target.kind,
                kinds=self.part.kinds,
            )
        mine = {row.number for row in rows}
        return [row for row in still if row.number in mine]

    def _judge(self, outcomes: Sequence[tuple[ChangeRow, Outcome]]) -> bool:
        failed = next((outcome.error for _, outcome in outcomes if outcome.error and outcome.error.retryable), None)
        if failed is not None:
            self.error = failed if isinstance(failed, TargetError) else TargetUnavailable(str(failed))
        if not is_targets_trouble(outcomes):
            health.note_success(self.provisioner, self.target.kind)
            return True
        assert self.error is not None  # there was at least one
        pause_s = health.note_failure(self.provisioner, self.target.kind, self.error)
        return pause_s <= self.provisioner.settings.target_patience_s and self.wait(pause_s)

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether the run is still to go on."""
        clock = self.provisioner.clock
        end = clock.timestamp() + seconds
        while True:
            with self.provisioner.databases.identity.read() as connection:
                if not runs.is_going(connection, self.run.run_id, self.run.attempt):
                    return False
            if (left_s := end - clock.timestamp()) <= 0:
                return True
            clock.sleep(max(0.001, min(SLICE_S, left_s)))


def _still_wanted(provisioner: Provisioner, run: Run, target: Target, rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Set aside whose records changed since the attempt began: what the plan has of them is old."""
    if run.kind == runs.UNDO:  # `_write` asks the target
        return list(rows)
    with provisioner.databases.identity.read() as connection:
        known = states_among(connection, target.kind, [row.person_id for row in rows])
    moved = [row for row in rows if row.desired and known[row.person_id].desired != row.desired]
    if moved:
        with provisioner.databases.identity.write() as connection:
            why = "desired otherwise by now"
            settled = ((row.number, runs.MOVED, why) for row in moved)
            runs.settle(connection, run.run_id, provisioner.clock.now(), settled)
    gone = {row.number for row in moved}
    return [row for row in rows if row.number not in gone]


def _still_to_undo(provisioner: Provisioner, run: Run, target: Target, rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Set aside what an undo has come too late for: days may lie between its plan and this batch."""
    late = overtaken(provisioner, target, rows)
    if late:
        with provisioner.databases.identity.write() as connection:
            settled = ((number, runs.MOVED, why) for number, why in late.items())
            runs.settle(connection, run.run_id, provisioner.clock.now(), settled)
    return [row for row in rows if row.number not in late]


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
            if not runs.pulse(connection, run.run_id, run.attempt, provisioner.clock.now()):
                return


def _end(provisioner: Provisioner, run: Run, failure: TargetError | None) -> Result:
    result = result_of(provisioner, run.run_id)
    now = provisioner.clock.now()
    is_over = failure is None and result.left == 0
    error = "" if is_over else str(failure or _why_left(provisioner, run))
    due_at = None if is_over else now + timedelta(seconds=health.pause_of_run(provisioner, run.attempt))
    values = {"finished_at": now if is_over else None, "due_at": due_at, "error": error}
    data = {
        "attempt": run.attempt,
        "done": result.done,
        "left": result.left,
        "rejected": result.rejected,
        "unverified": result.unverified,
        "moved": result.moved,
    }
    word, state = (words.RUN_APPLIED, runs.APPLIED) if is_over else (words.RUN_FAILED, runs.INCOMPLETE)
    with provisioner.databases.identity.write() as connection:
        runs.clear_settled_marks(connection, run.run_id, provisioner.targets)
        if runs.end_attempt(connection, run.run_id, run.attempt, state, **values):
            record(connection, now.timestamp(), Event(word, run.run_id, run.asked_by, error[:200], data))
    return result_of(provisioner, run.run_id)


def _why_left(provisioner: Provisioner, run: Run) -> str:
    with provisioner.databases.identity.read() as connection:
        rows = runs.changes_of(connection, run.run_id, state=runs.OPEN, limit=1)
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
    while rows := _rows(provisioner, run, target, last, runs.OPEN, of_entries=of_entries):
        last = rows[-1].number
        yield rows


def _rows(
    provisioner: Provisioner, run: Run, target: Target, after: int, state: str, *, of_entries: bool = False
) -> list[ChangeRow]:
    with provisioner.databases.identity.read() as connection:
        return runs.changes_of(
            connection, run.run_id, after=after, state=state, target=target.kind, of_entries=of_entries
        )
