"""Apply a run from a command: follow a live worker that does it, or do it here if there is none."""

from collections.abc import Callable

from idp.errors import CanaryFailed, ConfigError, Conflict, IdpError, NotFound, StaleVersion
from idp.permissions import Actor
from idp.provisioning.executor import Result, apply_run, result_of
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ENDS, Run, RunState
from idp.provisioning.run_steps import has_worker, request

POLL_S = 0.3
STOPS: tuple[type[IdpError], ...] = (
    CanaryFailed,
    NotFound,
    ConfigError,
)  # what ends an attempt until somebody applies again


def apply_or_follow(
    provisioner: Provisioner, run: Run, actor: Actor, advance: Callable[[int], None], *, here: bool = False
) -> Result:
    """Apply a run and return its result: a live worker applies it while we show its progress, or this process does.

    Raises:  as apply_run
    """
    if here or run.changes == 0 or not has_worker(provisioner):
        return apply_run(provisioner, run.run_id, actor, progress=advance)
    asked = request(provisioner, run.run_id, actor)
    result = _follow(provisioner, asked, advance)
    if result is None:  # every worker has died
        return apply_run(provisioner, run.run_id, actor, progress=advance)
    if result.run.state == RunState.STALE:
        raise StaleVersion(result.run.error)
    if result.run.state == RunState.INCOMPLETE and result.run.next_attempt_at is None:
        raise _as_it_stopped(result.run)
    if result.run.state in (RunState.PAUSED, RunState.CANCELLED):
        raise Conflict(f"run {run.run_id} was {result.run.state}: {result.done:,} written, {result.left:,} left")
    return result


def _as_it_stopped(run: Run) -> IdpError:
    """Return the error that stopped the worker's attempt."""
    return next((error for error in STOPS if error.code == run.error_code), Conflict)(run.error)


def _follow(provisioner: Provisioner, asked: Run, advance: Callable[[int], None]) -> Result | None:
    """Show progress as the run's rows change, until the attempt ends; None if no worker is left."""
    clock = provisioner.clock
    shown = 0
    while True:
        began_at = clock.timestamp()
        result = result_of(provisioner, asked.run_id)
        settled = asked.changes - result.left
        advance(settled - shown)
        shown = settled
        if result.run.state not in (RunState.APPROVED, RunState.RUNNING) and _is_of_new_attempt(result.run, asked):
            return result
        if not has_worker(provisioner):
            return None
        # Counting a million rows takes time. Look seldom enough to cost the worker little.
        clock.sleep(max(POLL_S, 10 * (clock.timestamp() - began_at)))


def _is_of_new_attempt(run: Run, asked: Run) -> bool:
    return run.state != RunState.INCOMPLETE or run.attempt > asked.attempt or asked.state in ENDS
