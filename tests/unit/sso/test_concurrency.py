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
            while limiter.waiting == 0:
                pass
            raise TargetUnavailable("no answer")

    with pytest.raises(TargetUnavailable):
        find_it_silent()
    assert told.wait(10)
    thread.join()

    with limiter.slot():
        pass


class Crowd:
    """Threads that ask for a slot, one after the other, and what became of each."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self._limiter = limiter
        self._threads: list[threading.Thread] = []
        self.served: list[str] = []
        self.refused: list[str] = []

    def come(self, account: str, network: str = "") -> None:
        def ask() -> None:
            try:
                with self._limiter.slot(account, network):
                    self.served.append(account)
            except TooBusy:
                self.refused.append(account)

        waiting, refused = self._limiter.waiting, len(self.refused)
        thread = threading.Thread(target=ask)
        thread.start()
        self._threads.append(thread)
        while thread.is_alive() and self._limiter.waiting == waiting and len(self.refused) == refused:
            pass  # until it waits, or somebody was put off

    def leave(self) -> None:
        for thread in self._threads:
            thread.join(10)


def test_an_account_that_crowds_makes_room_for_others() -> None:
    limiter = ConcurrencyLimiter(served_at_once=1, waiting=3, wait_s=60)
    crowd = Crowd(limiter)

    with limiter.slot("crowding"):
        for _ in range(4):
            crowd.come("crowding")
        crowd.come("other")
        crowd.come("third")
    crowd.leave()

    assert sorted(crowd.served) == ["crowding", "other", "third"]
    assert crowd.refused == ["crowding"] * 3


def test_a_network_that_crowds_makes_room_for_others() -> None:
    limiter = ConcurrencyLimiter(served_at_once=1, waiting=3, wait_s=60)
    crowd = Crowd(limiter)

    with limiter.slot("a0", "203.0.113.7/32"):
        for number in range(1, 4):
            crowd.come(f"a{number}", "203.0.113.7/32")
        crowd.come("other", "198.51.100.1/32")
    crowd.leave()

    assert sorted(crowd.served) == ["a1", "a2", "other"]
    assert crowd.refused == ["a3"]


def test_nobody_is_put_off_for_one_that_has_as_many_places() -> None:
    limiter = ConcurrencyLimiter(served_at_once=1, waiting=2, wait_s=60)
    crowd = Crowd(limiter)

    with limiter.slot("a"):
        crowd.come("b")
        crowd.come("c")
        crowd.come("d")
    crowd.leave()

    assert (sorted(crowd.served), crowd.refused) == (["b", "c"], ["d"])
