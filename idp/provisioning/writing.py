"""Write one batch of a run to one target, and note what became of it; look later whether it is there."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record_all
from idp.errors import IdpError, TargetError, TargetRejected, TargetUnavailable
from idp.people.change_queries import mark_many_dirty, mark_others_dirty
from idp.provisioning import health
from idp.provisioning import run_queries as runs
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run_queries import ChangeRow, Run
from idp.provisioning.state_queries import NOT_SHOWN, Observed, confirm, doubt, refused, shown, states_among
from idp.provisioning.target import Target, digests_in
from idp.provisioning.undo import overtaken, pin_undone
from idp.provisioning.values import Change, Entry, Kind, Outcome

Progress = Callable[[int], None]
FEW = 2
Outcomes = Sequence[tuple[ChangeRow, Outcome]]


def change_of(row: ChangeRow) -> Change:
    """Return a stored change as a target takes it."""
    before, after = (text and Entry.from_json(row.person_id, text) for text in (row.before, row.after))
    return Change(Kind(row.kind), row.person_id, before or None, after or None, row.reason)


def still_to_write(provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Return the changes that are still right, and set the others aside: days may lie between a plan and a batch.

    Raises:  TargetUnavailable, TargetRejected: what an undo puts back is looked for in the target
    """
    moved = overtaken(provisioner, target, rows) if run.kind == runs.UNDO else _outdated(provisioner, target, rows)
    set_aside(provisioner, run, moved)
    return [row for row in rows if row.number not in moved]


def set_aside(provisioner: Provisioner, run: Run, reasons: Mapping[int, str]) -> None:
    """Have changes, by number, not made by this run."""
    if reasons:
        with provisioner.databases.identity.write() as connection:
            settled = ((number, runs.MOVED, why) for number, why in reasons.items())
            runs.settle(connection, run.run_id, provisioner.clock.now(), settled)


def _outdated(provisioner: Provisioner, target: Target, rows: Sequence[ChangeRow]) -> dict[int, str]:
    """Return the changes of people whose records ask for something else by now, and why they are set aside."""
    with provisioner.databases.identity.read() as connection:
        known = states_among(connection, target.kind, [row.person_id for row in rows])
    return {
        row.number: "desired otherwise by now"
        for row in rows
        if row.desired and known[row.person_id].desired != row.desired
    }


def write_batch(
    provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow], progress: Progress
) -> Outcomes:
    """Make changes, many in flight, and return their outcomes; each is noted, whatever happens.

    Raises:  TargetUnavailable when the target went away: of changes without an outcome nobody knows
    """
    outcomes: list[tuple[ChangeRow, Outcome]] = []
    by_person = {row.person_id: row for row in rows}
    _set_out(provisioner, target, rows)
    try:
        for outcome in target.apply(change_of(row) for row in rows):
            outcomes.append((by_person[outcome.change.person_id], outcome))
            progress(1)
    finally:
        note(provisioner, target, run, outcomes)
    return outcomes


def write_one_by_one(
    provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow], progress: Progress
) -> Outcomes:
    """Make changes each on its own, so that one that makes the target fail keeps nobody else from being written.

    Raises:  TargetUnavailable when the target does not answer at all
    """
    outcomes: list[tuple[ChangeRow, Outcome]] = []
    _set_out(provisioner, target, rows)
    try:
        for row in rows:
            outcomes.append((row, _write_one(target, change_of(row))))
            progress(1)
    finally:
        note(provisioner, target, run, outcomes)
    return outcomes


def _set_out(provisioner: Provisioner, target: Target, rows: Sequence[ChangeRow]) -> None:
    """Keep, before the first write, that nobody knows what the target has of these people.

    A write whose outcome is lost may have been made. Should the records ask for the old again by then, nothing but this
    doubt makes anybody look.
    """
    with provisioner.databases.identity.write() as connection:
        doubt(connection, target.kind, (row.person_id for row in rows))


def _write_one(target: Target, change: Change) -> Outcome:
    try:
        target.apply_one(change)
    except TargetRejected as error:
        return Outcome(change, error)
    except TargetUnavailable as error:
        target.ping()
        return Outcome(change, error)
    return Outcome(change)


def note(provisioner: Provisioner, target: Target, run: Run, outcomes: Outcomes) -> None:
    """Write what became of changes, with the event of each that was made, in one transaction.

    Effect:  a person whom the target refuses, while it takes others, has one try less
    """
    if not outcomes:
        return
    now = provisioner.clock.now()
    done = [row for row, outcome in outcomes if outcome.error is None]
    written = [(row.person_id, row.desired) for row in done if row.desired is not None]
    with provisioner.databases.identity.write() as connection:
        runs.pulse(connection, run.run_id, run.attempt, now)
        gave_up = refused(
            connection, target.kind, _tries(connection, run, target, outcomes), provisioner.settings.tries
        )
        settled = (_settled(row, outcome.error, row.person_id in gave_up) for row, outcome in outcomes)
        runs.settle(connection, run.run_id, now, settled)
        if run.kind == runs.UNDO:  # before `confirm`: what is pinned is what is desired from now on
            pin_undone(connection, provisioner, run, target, done, now)
        confirm(connection, target.kind, written, run.run_id, now, is_seen=False)
        # Whose records changed while we wrote: what we wrote may have undone what the request wrote. Look again.
        known = states_among(connection, target.kind, [person_id for person_id, _ in written])
        late = [person_id for person_id, digest in written if known[person_id].desired != digest]
        doubt(connection, target.kind, late)
        mark_many_dirty(connection, late)
        made = (_event(run, row, outcome) for row, outcome in outcomes if outcome.error is None)
        record_all(connection, now.timestamp(), made)
        record_all(connection, now.timestamp(), (_gave_up(run, target, person_id) for person_id in gave_up))


def target_error(error: IdpError) -> TargetError:
    """Return the error of a change as one of its target."""
    return error if isinstance(error, TargetError) else TargetUnavailable(str(error))


def are_alone(provisioner: Provisioner, target: Target, run: Run, count: int) -> bool:
    """Return whether these are all that a run has left here, and one or two: then a target that answers may be well."""
    if count > FEW:
        return False
    with provisioner.databases.identity.read() as connection:
        return runs.count_open(connection, run.run_id, target.kind, FEW + 1) <= FEW


def note_health(provisioner: Provisioner, target: Target, run: Run, outcomes: Outcomes) -> float:
    """Return for how many seconds the target is to be left alone after this batch; 0: it takes people.

    Where nothing was written and all of it may succeed later, it is the target and not the people. A target that
    answers and fails one or two alone is not closed to everybody else for it.
    """
    errors = [outcome.error for _, outcome in outcomes if outcome.error is not None and outcome.error.retryable]
    is_everybody = bool(errors) and len(errors) == len(outcomes)
    if is_everybody and not are_alone(provisioner, target, run, len(errors)):
        return health.note_failure(provisioner, target.kind, errors[0])
    if outcomes and not is_everybody:
        health.note_success(provisioner, target.kind)
    return 0.0


def _tries(connection: Connection, run: Run, target: Target, outcomes: Outcomes) -> list[tuple[str, str]]:
    """Return (person_id, error) of those who count as refused, be it by a no or by an error that may pass.

    That is whoever failed where others got through. A target that fails a whole batch is ill or set up wrongly, for
    which nobody in it is to blame. Of the last one or two of a run a no counts, and any error if others got through
    since their last try.
    """
    failed = [(row, outcome.error) for row, outcome in outcomes if outcome.error is not None]
    if len(failed) == len(outcomes):
        if runs.count_open(connection, run.run_id, target.kind, FEW + 1) > FEW:
            return []
        passed = runs.passed_by_others(connection, run.run_id, target.kind, [row.number for row, _ in failed])
        failed = [(row, error) for row, error in failed if not error.retryable or row.number in passed]
    return [(row.person_id, str(error)) for row, error in failed]


def _settled(row: ChangeRow, error: IdpError | None, is_given_up: bool) -> tuple[int, str, str]:
    if error is None:
        return row.number, runs.DONE, ""
    return row.number, runs.OPEN if error.retryable and not is_given_up else runs.REJECTED, str(error)


def _event(run: Run, row: ChangeRow, outcome: Outcome) -> Event:
    """Which attributes, not their values: those stand in the run."""
    data = {"run": run.run_id, "target": row.target, "kind": row.kind, "attributes": outcome.change.touched}
    return Event(event_types.TARGET_CHANGED, subject=row.person_id, actor=run.asked_by, reason=row.reason, data=data)


def _gave_up(run: Run, target: Target, person_id: str) -> Event:
    data = {"run": run.run_id, "target": target.kind}
    return Event(event_types.TARGET_GAVE_UP, subject=person_id, actor=run.asked_by, data=data)


# --- look again -----------------------------------------------------------------------------------------------------


SIGN_EVERY = 10_000  # entries read
MANY = 2000  # changes; of more, everything is read once, which costs a fifth of asking for each


def otherwise_in(provisioner: Provisioner, target: Target, run: Run) -> Iterator[list[ChangeRow]]:
    """Yield what a run did and what the target does not show, as digests say; `verify` looks closely.

    Shape:   of few changes, all of them: then nothing is read here
    Raises:  TargetUnavailable, TargetRejected
    """
    with provisioner.databases.identity.read() as connection:
        done = runs.count_by_target(connection, run.run_id).get(target.kind, {}).get(runs.DONE, 0)
        if done <= MANY:
            yield from _pages_of_done(provisioner, target, run)
            return
        observed = Observed(connection, target.kind)
        observed.add(_with_signs(provisioner, run, digests_in(target)))
        numbers = [number for number, _ in observed.otherwise_than(run.run_id)]
    for start in range(0, len(numbers), runs.BATCH):
        some = numbers[start : start + runs.BATCH]
        with provisioner.databases.identity.read() as connection:
            yield runs.changes_numbered(connection, run.run_id, some)


def _with_signs(provisioner: Provisioner, run: Run, pairs: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield what is read of a target, and show meanwhile that the run is alive."""
    for number, pair in enumerate(pairs, start=1):
        if number % SIGN_EVERY == 0:
            with provisioner.databases.identity.write() as connection:
                runs.pulse(connection, run.run_id, run.attempt, provisioner.clock.now())
        yield pair


def _pages_of_done(provisioner: Provisioner, target: Target, run: Run) -> Iterator[list[ChangeRow]]:
    last = -1
    while True:
        with provisioner.databases.identity.read() as connection:
            rows = runs.changes_of(connection, run.run_id, after=last, state=runs.DONE, target=target.kind)
        if not rows:
            return
        last = rows[-1].number
        yield rows


def verify(provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Read over another connection what was written, and return what is not there as wanted.

    Raises:  TargetUnavailable, TargetRejected
    Effect:  that is unverified now, and work again, for so many tries as after a refusal; whoever was changed on
             purpose meanwhile is not looked at
    """
    there = {entry.person_id: entry for entry in target.read([row.person_id for row in rows])}
    otherwise = [row for row in rows if there.get(row.person_id) != change_of(row).after]
    numbers = {row.number for row in otherwise}
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        shown(connection, target.kind, [row.person_id for row in rows if row.number not in numbers])
        known = states_among(connection, target.kind, [row.person_id for row in otherwise])
        wrong = [row for row in otherwise if row.desired is None or known[row.person_id].desired == row.desired]
        runs.settle(connection, run.run_id, now, ((row.number, runs.UNVERIFIED, NOT_SHOWN) for row in wrong))
        tries = [(row.person_id, NOT_SHOWN) for row in wrong if row.desired is not None]
        gave_up = refused(connection, target.kind, tries, provisioner.settings.tries)
        doubt(connection, target.kind, (row.person_id for row in wrong))
        due_at = now.timestamp() + provisioner.settings.retry_s
        mark_others_dirty(connection, (row.person_id for row in wrong), due_at, NOT_SHOWN)
        record_all(connection, now.timestamp(), (_gave_up(run, target, person_id) for person_id in gave_up))
    return wrong
