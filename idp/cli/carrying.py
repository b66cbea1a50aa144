"""Have a run carried out from a command: by a worker that lives, and else here."""

from collections.abc import Callable

from idp.errors import CanaryFailed, Conflict, StaleVersion
from idp.provisioning.applying import Result, apply_run, result_of
from idp.provisioning.asking import ask_for, has_worker
from idp.provisioning.provisioner import Provisioner
from idp.store import runs
from idp.store.runs import Run

LOOK_S = 0.3


def carry_out(
    provisioner: Provisioner, run: Run, actor: str, advance: Callable[[int], None], *, here: bool = False
) -> Result:
    """Return what became of a run: a live worker carries it out while we look on, or this process does.

    Raises:  as apply_run
    """
    if here or run.changes == 0 or not has_worker(provisioner):
        return apply_run(provisioner, run.run_id, actor, progress=advance)
    asked = ask_for(provisioner, run.run_id, actor)
    result = _look_on(provisioner, asked, advance)
    if result is None:  # every worker has died
        return apply_run(provisioner, run.run_id, actor, progress=advance)
    if result.run.state == runs.STALE:
        raise StaleVersion(result.run.error)
    if result.run.state == runs.INCOMPLETE and result.run.due_at is None:
        raise CanaryFailed(result.run.error)
    if result.run.state in (runs.PAUSED, runs.CANCELLED):
        raise Conflict(f"run {run.run_id} was {result.run.state}; {result.done} written, {result.left} left")
    return result


def _look_on(provisioner: Provisioner, asked: Run, advance: Callable[[int], None]) -> Result | None:
    """Show the progress that the run's rows tell, until the attempt has ended; None when no worker is left."""
    clock = provisioner.clock
    shown = 0
    while True:
        began_at = clock.timestamp()
        result = result_of(provisioner, asked.run_id)
        settled = asked.changes - result.left
        advance(settled - shown)
        shown = settled
        if result.run.state not in (runs.APPROVED, runs.APPLYING) and _is_of_new_attempt(result.run, asked):
            return result
        if not has_worker(provisioner):
            return None
        # Counting a million rows takes its time; looking on must cost the worker nothing.
        clock.sleep(max(LOOK_S, 10 * (clock.timestamp() - began_at)))


def _is_of_new_attempt(run: Run, asked: Run) -> bool:
    return run.state != runs.INCOMPLETE or run.attempt > asked.attempt or asked.state in runs.ENDS
