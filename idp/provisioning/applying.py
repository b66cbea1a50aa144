"""Carry out a plan: check that its world still stands, write in batches, journal each change, look again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from idp.audit import words
from idp.audit.events import Event, record, record_all
from idp.errors import IdpError, NotFound, StaleVersion, TargetError, UnsafePlan
from idp.provisioning.desired import desired
from idp.provisioning.planning import LOCK, unsafe_because
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.subjects import load_subjects
from idp.provisioning.values import Change, Entry, Kind, Outcome, Target
from idp.store import runs
from idp.store.locks import exclusive
from idp.store.provisioning import clear_marks, confirm, doubt, mark_many_dirty, states_among
from idp.store.runs import ChangeRow, Run

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How far a run is after an attempt."""

    run: Run
    done: int
    left: int  # not tried, or failed in a way that may pass
    rejected: int
    unverified: int  # written, and found otherwise afterwards

    @property
    def is_complete(self) -> bool:
        """Everything was done and seen to be there."""
        return not (self.left or self.rejected or self.unverified)


def apply_run(provisioner: Provisioner, run_id: str, actor: str, *, progress: Progress = lambda _: None) -> Result:
    """Return what became of a plan; one that a kill or an outage cut short goes on where it stopped.

    Raises:  NotFound; UnsafePlan over a limit and StaleVersion when the records or a target moved since, both before
             the first write; Conflict when another run is at work; TargetUnavailable when a target went away: what was
             written is noted, and the run can be applied again
    Effect:  writes to the targets; in batches the outcome of each change, target.changed for each done one, and at
             the end run.applied or run.failed
    """
    with exclusive(provisioner.databases, LOCK):
        with provisioner.databases.identity.read() as connection:
            run = runs.load_run(connection, run_id)
        if run is None or run.state == runs.PLANNING:
            raise NotFound(f"there is no plan {run_id}")
        if run.state == runs.APPLIED:
            return _result(provisioner, run)
        if reason := unsafe_because(run, provisioner):
            raise UnsafePlan(reason)
        for target in _targets_of(run, provisioner):
            _refuse_if_moved(provisioner, target, run, actor, progress)
        return _carry_out(provisioner, run, actor, progress)


def _targets_of(run: Run, provisioner: Provisioner) -> list[Target]:
    missing = [kind for kind, part in run.summary.items() if part.counts and kind not in provisioner.targets]
    if missing:
        raise NotFound(f"this plan is for {', '.join(missing)}, which the settings do not have any more")
    return [target for kind, target in provisioner.targets.items() if kind in run.summary]


# --- has the world moved? -------------------------------------------------------------------------------------------


def _refuse_if_moved(provisioner: Provisioner, target: Target, run: Run, actor: str, progress: Progress) -> None:
    """Return if every open change still turns what is there into what the records ask.

    Effect:  a change that was made before, its outcome lost by a kill, is noted as done
    """
    moved: list[str] = []
    for rows in _open_rows(provisioner, run, target):
        changes = [(row, _change(row)) for row in rows]
        ids = [row.person_id for row in rows]
        asked = _asked_now(provisioner, target, ids)
        there = {entry.person_id: entry for entry in target.read(ids)}
        made_before: list[tuple[ChangeRow, Outcome]] = []
        for row, change in changes:
            found = there.get(row.person_id)
            if change.after is not None and asked.get(row.person_id) != row.desired:
                moved.append(row.name)
            elif found == change.after:
                made_before.append((row, Outcome(change)))
            elif found != change.before:
                moved.append(row.name)
        _note(provisioner, target, run, actor, made_before)
        progress(len(made_before))
    if moved:
        some = ", ".join(moved[:3]) + (" …" if len(moved) > 3 else "")
        raise StaleVersion(f"{len(moved)} people changed since this plan was made ({some}): make a new one")


def _asked_now(provisioner: Provisioner, target: Target, ids: Sequence[str]) -> dict[str, str]:
    """Return the digest that the records ask for now, by person."""
    with provisioner.databases.identity.read() as connection:
        seen = load_subjects(connection, ids, provisioner.people, provisioner.today())
    entries = (desired(each.subject, target.attributes) for each in seen)
    return {entry.person_id: entry.digest for entry in entries}


# --- write ----------------------------------------------------------------------------------------------------------


def _carry_out(provisioner: Provisioner, run: Run, actor: str, progress: Progress) -> Result:
    with provisioner.databases.identity.write() as connection:
        now = provisioner.clock.now()
        runs.set_state(connection, run.run_id, runs.APPLYING, started_at=run.started_at or now)
    failure: TargetError | None = None
    for target in _targets_of(run, provisioner):
        try:
            _write(provisioner, target, run, actor, progress)
            _verify(provisioner, target, run)
        except TargetError as error:  # another target is not to wait for this one
            failure = failure or error
    result = _end(provisioner, run, actor, failure)
    if failure is not None:
        raise failure
    return result


def _write(provisioner: Provisioner, target: Target, run: Run, actor: str, progress: Progress) -> None:
    """Make all open changes of one target.

    Raises:  TargetUnavailable when it went away; the outcomes known by then are noted
    """
    for rows in _open_rows(provisioner, run, target, provisioner.settings.batch):
        outcomes: list[tuple[ChangeRow, Outcome]] = []
        by_person = {row.person_id: row for row in rows}
        try:
            for outcome in target.apply(_change(row) for row in rows):
                outcomes.append((by_person[outcome.change.person_id], outcome))
                progress(1)
        finally:
            _note(provisioner, target, run, actor, outcomes)


def _note(
    provisioner: Provisioner, target: Target, run: Run, actor: str, outcomes: Sequence[tuple[ChangeRow, Outcome]]
) -> None:
    """Write what became of changes, with the event of each that was made, in one transaction."""
    if not outcomes:
        return
    now = provisioner.clock.now()
    done = [row for row, outcome in outcomes if outcome.error is None]
    written = [(row.person_id, row.desired) for row in done if row.desired is not None]
    with provisioner.databases.identity.write() as connection:
        runs.settle(connection, run.run_id, now, (_settled(row, outcome.error) for row, outcome in outcomes))
        confirm(connection, target.kind, written, run.run_id, now)
        clear_marks(connection, ((row.person_id, row.mark) for row in done))
        # Whose records changed while we wrote: what we wrote may have undone what the request wrote. Look again.
        known = states_among(connection, target.kind, [person_id for person_id, _ in written])
        late = [person_id for person_id, digest in written if known[person_id].desired != digest]
        doubt(connection, target.kind, late)
        mark_many_dirty(connection, late)
        record_all(
            connection,
            now.timestamp(),
            (_event(run, row, outcome, actor) for row, outcome in outcomes if not outcome.error),
        )


def _settled(row: ChangeRow, error: IdpError | None) -> tuple[int, str, str]:
    if error is None:
        return row.number, runs.DONE, ""
    return row.number, runs.OPEN if error.retryable else runs.REJECTED, str(error)


def _event(run: Run, row: ChangeRow, outcome: Outcome, actor: str) -> Event:
    """Which attributes, not their values: those stand in the run."""
    names = [name for name, _, _ in outcome.change.differences()]
    data = {"run": run.run_id, "target": row.target, "kind": row.kind, "attributes": names}
    return Event(words.TARGET_CHANGED, subject=row.person_id, actor=actor, reason=row.reason, data=data)


# --- look again -----------------------------------------------------------------------------------------------------


def _verify(provisioner: Provisioner, target: Target, run: Run) -> None:
    """Read what was written over another connection; what is not there as wanted is work again."""
    last = -1
    while rows := _rows(provisioner, run, target, last, runs.DONE, runs.BATCH):
        last = rows[-1].number
        there = {entry.person_id: entry for entry in target.read([row.person_id for row in rows])}
        wrong = [row for row in rows if there.get(row.person_id) != _change(row).after]
        if wrong:
            why = "found otherwise after it was written"
            with provisioner.databases.identity.write() as connection:
                now = provisioner.clock.now()
                runs.settle(connection, run.run_id, now, ((row.number, runs.UNVERIFIED, why) for row in wrong))
                doubt(connection, target.kind, (row.person_id for row in wrong))
                mark_many_dirty(connection, (row.person_id for row in wrong))


def _end(provisioner: Provisioner, run: Run, actor: str, failure: TargetError | None) -> Result:
    result = _result(provisioner, run)
    is_over = failure is None and result.left == 0
    state = runs.APPLIED if is_over else runs.INCOMPLETE
    data = {"done": result.done, "left": result.left, "rejected": result.rejected, "unverified": result.unverified}
    word = words.RUN_APPLIED if is_over else words.RUN_FAILED
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        error = str(failure or "")
        runs.set_state(connection, run.run_id, state, finished_at=now if is_over else None, error=error)
        record(connection, now.timestamp(), Event(word, subject=run.run_id, actor=actor, reason=error[:200], data=data))
        ended = runs.load_run(connection, run.run_id)
    assert ended is not None  # it is our own run
    return Result(ended, result.done, result.left, result.rejected, result.unverified)


def _result(provisioner: Provisioner, run: Run) -> Result:
    with provisioner.databases.identity.read() as connection:
        counts = runs.count_changes(connection, run.run_id)
    return Result(
        run,
        done=counts.get(runs.DONE, 0),
        left=counts.get(runs.OPEN, 0),
        rejected=counts.get(runs.REJECTED, 0),
        unverified=counts.get(runs.UNVERIFIED, 0),
    )


# --- rows -----------------------------------------------------------------------------------------------------------


def _open_rows(provisioner: Provisioner, run: Run, target: Target, size: int = runs.BATCH) -> Iterator[list[ChangeRow]]:
    """Yield open changes in order; one that stays open does not come again."""
    last = -1
    while rows := _rows(provisioner, run, target, last, runs.OPEN, size):
        last = rows[-1].number
        yield rows


def _rows(provisioner: Provisioner, run: Run, target: Target, after: int, state: str, limit: int) -> list[ChangeRow]:
    with provisioner.databases.identity.read() as connection:
        return runs.changes_of(connection, run.run_id, after=after, limit=limit, state=state, target=target.kind)


def _change(row: ChangeRow) -> Change:
    before, after = (text and Entry.from_json(row.person_id, text) for text in (row.before, row.after))
    return Change(Kind(row.kind), row.person_id, before or None, after or None, row.reason)
