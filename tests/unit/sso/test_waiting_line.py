"""A few are served, some wait, the others are told to come back."""

import threading

import pytest

from idp.sso.waiting_line import TooBusy, WaitingLine


def test_who_finds_no_place_is_told_at_once() -> None:
    line = WaitingLine(served_at_once=1, waiting=0, wait_s=60)

    with line.turn(), pytest.raises(TooBusy), line.turn():
        pass


def test_who_waits_too_long_is_told_then() -> None:
    line = WaitingLine(served_at_once=1, waiting=1, wait_s=0.01)

    with line.turn(), pytest.raises(TooBusy), line.turn():
        pass


def test_a_place_is_free_again_whatever_came_of_it() -> None:
    line = WaitingLine(served_at_once=1, waiting=0, wait_s=1)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), line.turn():
            raise ZeroDivisionError


def test_who_waits_is_served_in_the_end() -> None:
    line, served = WaitingLine(served_at_once=1, waiting=3, wait_s=60), []

    def come() -> None:
        with line.turn():
            served.append(1)

    with line.turn():
        threads = [threading.Thread(target=come) for _ in range(3)]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()

    assert len(served) == 3
