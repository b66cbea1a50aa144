"""A few are served, some wait, the others are told to come back."""

import threading

import pytest

from idp.errors import TargetUnavailable
from idp.sso.concurrency import ConcurrencyLimiter, TooBusy


def test_who_finds_no_place_is_told_at_once() -> None:
    limiter = ConcurrencyLimiter(served_at_once=1, waiting=0, wait_s=60)

    with limiter.slot(), pytest.raises(TooBusy), limiter.slot():
        pass


def test_who_waits_too_long_is_told_then() -> None:
    limiter = ConcurrencyLimiter(served_at_once=1, waiting=1, wait_s=0.01)

    with limiter.slot(), pytest.raises(TooBusy), limiter.slot():
        pass


def test_a_place_is_free_again_whatever_came_of_it() -> None:
    limiter = ConcurrencyLimiter(served_at_once=1, waiting=0, wait_s=1)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limiter.slot():
            raise ZeroDivisionError


def test_who_waits_is_served_in_the_end() -> None:
    limiter, served = ConcurrencyLimiter(served_at_once=1, waiting=3, wait_s=60), []

    def come() -> None:
        with limiter.slot():
            served.append(1)

    with limiter.slot():
        threads = [threading.Thread(target=come) for _ in range(3)]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()

    assert len(served) == 3


def test_who_waited_for_a_silent_directory_hears_it_at_once_and_who_comes_later_asks_again() -> None:
    limiter, told = ConcurrencyLimiter(served_at_once=1, waiting=1, wait_s=60), threading.Event()

    def come() -> None:
        with pytest.raises(TargetUnavailable), limiter.slot():
            raise AssertionError
        told.set()

    thread = threading.Thread(target=come)

    def find_it_silent() -> None:
        with limiter.slot():
            thread.start()
            while not limiter.is_full:
                pass
            raise TargetUnavailable("no answer")

    with pytest.raises(TargetUnavailable):
        find_it_silent()
    assert told.wait(10)
    thread.join()

    with limiter.slot():
        pass
