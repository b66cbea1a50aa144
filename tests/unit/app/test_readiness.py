"""Whoever asks whether we are ready costs next to nothing."""

import threading

from idp.app.readiness import KEPT_S, Readiness
from tests.support.clock import ManualClock


def fail() -> None:
    raise ConnectionError("password=hunter2")


def test_what_raises_is_down_and_says_no_more(clock: ManualClock) -> None:
    assert Readiness({"databases": list, "directory": fail}, clock).parts() == {"databases": "ok", "directory": "down"}


def test_an_answer_is_kept_for_a_moment(clock: ManualClock) -> None:
    looks: list[float] = []
    readiness = Readiness({"directory": lambda: looks.append(clock.timestamp())}, clock)

    for _ in range(100):
        assert readiness.parts() == {"directory": "ok"}
    assert len(looks) == 1

    clock.advance(KEPT_S)
    readiness.parts()
    assert len(looks) == 2


def test_a_clock_that_is_put_back_keeps_no_answer_for_longer(clock: ManualClock) -> None:
    looks: list[float] = []
    readiness = Readiness({"directory": lambda: looks.append(clock.timestamp())}, clock)
    readiness.parts()

    clock.advance(-3600)
    readiness.parts()

    assert len(looks) == 2


def test_while_one_looks_the_others_get_the_last_answer_and_do_not_wait(clock: ManualClock) -> None:
    looking, may_end = threading.Event(), threading.Event()

    def look() -> None:
        looking.set()
        assert may_end.wait(30)

    readiness = Readiness({"directory": look}, clock)
    first = threading.Thread(target=readiness.parts)
    first.start()
    assert looking.wait(30)
    assert readiness.parts() == {"directory": "unknown"}
    may_end.set()
    first.join()
    assert readiness.parts() == {"directory": "ok"}


def test_a_recovery_is_seen_at_once(clock: ManualClock) -> None:
    is_down = [True]

    def look() -> None:
        if is_down[0]:
            fail()

    readiness = Readiness({"worker": look}, clock)
    before = dict(readiness.parts())
    is_down[0] = False

    assert (before, readiness.parts()) == ({"worker": "down"}, {"worker": "ok"})
