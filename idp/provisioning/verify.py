"""Look again, over another connection, whether a target shows what a run wrote."""

from collections.abc import Iterator, Sequence

from more_itertools import chunked

from idp.db.bulk import BATCH
from idp.provisioning import run_queries
from idp.provisioning.attempts import count_attempts_and_tell
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, ChangeState, Run
from idp.provisioning.state_queries import Observed, clear_not_shown, states_among
from idp.provisioning.target import Target, digests_in, entries_named
from idp.provisioning.target_states import NOT_SHOWN, State

SIGN_EVERY = 10_000  # entries read
MANY = 2000  # changes; of more, everything is read once, which costs a fifth of asking for each


def otherwise_in(provisioner: Provisioner, target: Target, run: Run) -> Iterator[list[ChangeRow]]:
    """Yield what a run did and what the target does not show, as digests say; `verify` looks closely.

    Shape:   of few changes, all of them: then nothing is read here
    Raises:  TargetUnavailable, TargetRejected
    """
    counts = provisioner.read(run_queries.count_by_target, run.run_id)
    if counts.get(target.kind, {}).get(ChangeState.DONE, 0) <= MANY:
        where = {"state": ChangeState.DONE, "target": target.kind}
        yield from run_queries.pages_of_changes(provisioner.databases.identity, run.run_id, **where)
        return
    with provisioner.databases.identity.read() as connection:
        observed = Observed(connection, target.kind)
        observed.add(_with_signs(provisioner, run, digests_in(target)))
        numbers = [number for number, _ in observed.otherwise_than(run.run_id)]
    for some in chunked(numbers, BATCH):
        yield provisioner.read(run_queries.changes_of, run.run_id, number=some)


def _with_signs(provisioner: Provisioner, run: Run, pairs: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield what is read of a target, and show meanwhile that the run is alive."""
    for number, pair in enumerate(pairs, start=1):
        if number % SIGN_EVERY == 0:
            provisioner.write(run_queries.note_progress, run.run_id, run.attempt, provisioner.clock.now())
        yield pair


def verify(provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Read what was written, and return what is not there as desired.

    Raises:  TargetUnavailable, TargetRejected
    Effect:  that is unverified now and counts as a failed attempt; people who were changed on purpose meanwhile, or
             whose write the target shows later, are left out
    """
    there = entries_named(target, {row.person_id: row.name for row in rows})
    otherwise = [row for row in rows if there.get(row.person_id) != row.to_change().after]
    numbers = {row.number for row in otherwise}
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        clear_not_shown(connection, target.kind, [row.person_id for row in rows if row.number not in numbers])
        known = states_among(connection, target.kind, [row.person_id for row in otherwise])
        wrong = [
            row
            for row in otherwise
            if (state := known[row.person_id]).state is not State.ACCEPTED and row.desired in (None, state.desired)
        ]
        run_queries.settle(
            connection, run.run_id, now, ((row.number, ChangeState.UNVERIFIED, NOT_SHOWN) for row in wrong)
        )
        errors = [(row.person_id, NOT_SHOWN) for row in wrong]
        count_attempts_and_tell(provisioner, connection, target.kind, errors, run.requested_by, run.run_id)
    return wrong
