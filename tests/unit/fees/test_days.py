"""Days are counted where the university is."""

from datetime import UTC, datetime

import pytest

from idp.fees.days import next_transfer, today
from tests.support.clock import ManualClock

ZONE = "Europe/Warsaw"


def test_a_day_begins_at_midnight_of_the_university() -> None:
    assert today(ManualClock(datetime(2026, 10, 1, 21, 59, tzinfo=UTC)), ZONE).isoformat() == "2026-10-01"
    assert today(ManualClock(datetime(2026, 10, 1, 22, 0, tzinfo=UTC)), ZONE).isoformat() == "2026-10-02"


@pytest.mark.parametrize(
    ("now", "coming"),
    [
        ("2026-10-01T09:59:00+00:00", "2026-10-01T12:00:00+02:00"),
        ("2026-10-01T10:00:00+00:00", "2026-10-02T12:00:00+02:00"),
        ("2026-10-24T15:00:00+00:00", "2026-10-25T12:00:00+01:00"),  # the clocks go back that night
    ],
)
def test_the_next_transfer_is_the_coming_hour_of_the_sync(now: str, coming: str) -> None:
    assert next_transfer(datetime.fromisoformat(now), ZONE, 12).isoformat() == coming
