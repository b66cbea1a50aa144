"""The worker repeats its sweeps until a signal stops it."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from idp.jobs.settings import JobsSettings
from idp.jobs.worker import run_side_by_side

SETTINGS = JobsSettings(fast_interval_s=0.001)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Put the signal handlers of pytest back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_slow_sweep_of_the_fast_lane_delays_no_other() -> None:
    thrice = threading.Event()
    rounds: list[bool] = []

    def slow() -> int:
        rounds.append(thrice.wait(30))
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    looks = iter(range(1, 1_000_000))

    def quick() -> int:
        if next(looks) >= 3:
            thrice.set()
        return 0

    run_side_by_side({"slow": slow, "quick": quick}, SETTINGS)

    assert rounds[0], "the quick sweep waited for the slow one"


def test_a_sweep_that_fails_is_repeated_and_stops_no_other() -> None:
    failures = iter(range(1, 1_000_000))

    def failing() -> int:
        if next(failures) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("broken")

    looks: list[str] = []

    def quick() -> int:
        looks.append("look")
        return 0

    run_side_by_side({"failing": failing, "quick": quick}, SETTINGS)

    assert next(failures) > 3
    assert looks
