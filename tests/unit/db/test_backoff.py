"""How long to wait before the next attempt."""

import pytest

from idp.db.backoff import Backoff


@pytest.mark.parametrize(("attempts", "expected"), [(0, 0.5), (1, 0.5), (2, 1.0), (4, 4.0), (99, 20.0), (10**6, 20.0)])
def test_each_wait_is_twice_the_one_before_up_to_the_ceiling(attempts: int, expected: float) -> None:
    assert Backoff(0.5, 20).wait_s(attempts) == expected


def test_jitter_spreads_those_who_wait_around_the_same_moment() -> None:
    backoff = Backoff(4, 60, jitter=0.25)

    assert [backoff.wait_s(1, chance) for chance in (0.0, 0.5, 1.0)] == [3.0, 4.0, 5.0]
