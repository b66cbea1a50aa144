"""When schedules fall due by the university's clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.jobs.schedules import Done, Schedule, last_due, next_due

WARSAW = ZoneInfo("Europe/Warsaw")


def nothing() -> Done:
    return Done("nothing")


NOON = Schedule((time(12),), nothing)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        ("2026-07-01T09:59:59", "2026-06-30T10:00", "2026-07-01T10:00"),
        ("2026-07-01T10:00:00", "2026-07-01T10:00", "2026-07-02T10:00"),
        # 25 October: the night is an hour longer, and noon is noon.
        ("2026-10-24T20:00:00", "2026-10-24T10:00", "2026-10-25T11:00"),
        ("2026-10-25T10:59:59", "2026-10-24T10:00", "2026-10-25T11:00"),
        ("2026-10-25T11:00:00", "2026-10-25T11:00", "2026-10-26T11:00"),
        # 28 March: an hour shorter.
        ("2027-03-28T09:59:59", "2027-03-27T11:00", "2027-03-28T10:00"),
        ("2027-03-28T10:00:00", "2027-03-28T10:00", "2027-03-29T10:00"),
    ],
)
def test_the_noon_sync_is_at_noon_in_opole_on_every_day(now: str, last: str, following: str) -> None:
    assert last_due(NOON, utc(now), WARSAW) == utc(last)
    assert next_due(NOON, utc(now), WARSAW) == utc(following)


def test_a_time_that_a_clock_change_leaves_out_falls_due_after_the_jump() -> None:
    early = Schedule((time(2, 30),), nothing)

    assert next_due(early, utc("2027-03-27T12:00"), WARSAW) == utc("2027-03-28T01:30")  # 03:30 in Opole


def test_a_time_that_comes_twice_falls_due_once() -> None:
    early = Schedule((time(2, 30),), nothing)

    assert last_due(early, utc("2026-10-25T12:00"), WARSAW) == utc("2026-10-25T00:30")
    assert next_due(early, utc("2026-10-25T00:30"), WARSAW) == utc("2026-10-26T01:30")


def test_of_several_times_and_days_the_nearest_counts() -> None:
    sundays = Schedule((time(3), time(21)), nothing, frozenset({6}))

    assert last_due(sundays, utc("2026-11-22T12:00"), WARSAW) == utc("2026-11-22T02:00")
    assert next_due(sundays, utc("2026-11-22T12:00"), WARSAW) == utc("2026-11-22T20:00")
    assert next_due(sundays, utc("2026-11-22T20:00"), WARSAW) == utc("2026-11-29T02:00")


def test_a_schedule_without_times_never_falls_due() -> None:
    assert last_due(Schedule((), nothing), utc("2026-11-22T12:00"), WARSAW) is None
    assert next_due(Schedule((), nothing), utc("2026-11-22T12:00"), WARSAW) is None


@given(
    times=st.lists(st.times().map(lambda at: at.replace(microsecond=0)), min_size=1, max_size=4),
    days=st.sets(st.integers(0, 6), min_size=1),
    now=st.integers(0, 2 * 366 * 24 * 3600).map(lambda seconds: utc("2026-01-01T00:00") + timedelta(seconds=seconds)),
)
def test_now_lies_between_two_moments_with_none_between_them(times: list[time], days: set[int], now: datetime) -> None:
    schedule = Schedule(tuple(times), nothing, frozenset(days))

    last, following = last_due(schedule, now, WARSAW), next_due(schedule, now, WARSAW)

    assert last is not None
    assert following is not None
    assert last <= now < following
    assert next_due(schedule, last, WARSAW) == following
    assert following - last <= timedelta(days=7, hours=2)
