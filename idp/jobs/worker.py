"""The worker repeats its sweeps. A sweep may be repeated, killed, and run twice at once."""

import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType

import structlog

from idp.errors import IdpError
from idp.jobs.settings import JobsSettings

log = structlog.get_logger(__name__)

Sweep = Callable[[], int]
"""Does a bounded part of its work and returns how many items it did."""


def run(sweeps: Mapping[str, Sweep], settings: JobsSettings) -> None:
    """Repeat all sweeps until SIGTERM or SIGINT. After a round that did something, the next begins at once."""
    stopped = _stopped_by_signal()
    while not stopped.is_set():
        if one_round(sweeps) == 0:
            stopped.wait(settings.interval_s)


def run_side_by_side(sweeps: Mapping[str, Sweep], settings: JobsSettings) -> None:
    """Repeat each sweep in its own thread until SIGTERM or SIGINT, so that a slow one delays no other."""
    stopped = _stopped_by_signal()

    def repeat(name: str, sweep: Sweep) -> None:
        while not stopped.is_set():
            if _swept(name, sweep) == 0:
                stopped.wait(settings.fast_interval_s)

    threads = [threading.Thread(target=repeat, args=each, name=each[0]) for each in sweeps.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _stopped_by_signal() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    # Installed explicitly: a shell's background job inherits SIGINT as ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopped


def one_round(sweeps: Mapping[str, Sweep]) -> int:
    """Return how many items all sweeps did. A sweep that fails is logged, and the others continue."""
    return sum(_swept(name, sweep) for name, sweep in sweeps.items())


def _swept(name: str, sweep: Sweep) -> int:
    try:
        return sweep()
    except IdpError as error:
        log.warning("sweep failed", sweep=name, code=error.code, error=str(error))
    except Exception:
        log.exception("sweep failed", sweep=name)
    return 0
