"""A worker's rounds in this process, on a clock that the test moves: waits take no time, and are counted."""

from collections.abc import Callable
from contextlib import suppress

from idp.errors import TargetError
from idp.jobs.settings import JobsSettings
from idp.provisioning.executor import apply_run, result_of
from idp.provisioning.health import try_again
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run_steps import next_run
from tests.support.actors import shell

ACTOR = shell("test")
OUTAGE_S = 180.0  # long enough for every wait to be the longest
RECOVERY_S = 60.0  # within which all is there again
Progress = Callable[[int], None]


def after(count: int, do: Callable[[], object]) -> Progress:
    """Return a callback for the progress of a run that does something once, after so many changes."""
    seen = 0

    def progress(done: int) -> None:
        nonlocal seen
        is_now = seen < count <= seen + done
        seen += done
        if is_now:
            do()

    return progress


def one_round(provisioner: Provisioner) -> None:
    """Ask the targets that fail, begin what is due, and wait as a worker does."""
    try_again(provisioner)
    if (run := next_run(provisioner)) is not None:
        with suppress(TargetError):
            apply_run(provisioner, run.run_id, ACTOR)
    provisioner.clock.sleep(JobsSettings().interval_s)


def rounds_for(provisioner: Provisioner, seconds: float) -> None:
    """Do a worker's rounds for so long."""
    end = provisioner.clock.timestamp() + seconds
    while provisioner.clock.timestamp() < end:
        one_round(provisioner)


def seconds_until_over(provisioner: Provisioner, run_id: str, most_s: float) -> float:
    """Do a worker's rounds until a run has nothing left, or for so long, and return how long it took."""
    began_at = provisioner.clock.timestamp()
    while not result_of(provisioner, run_id).is_complete and provisioner.clock.timestamp() < began_at + most_s:
        one_round(provisioner)
    return provisioner.clock.timestamp() - began_at
