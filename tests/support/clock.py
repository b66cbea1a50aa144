"""A clock that a test moves itself."""

from datetime import UTC, datetime, timedelta

from idp.clock import Clock

START = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)


class ManualClock(Clock):
    """Stands still at 1 October 2026, 10:00 UTC (noon in Opole), until it is moved."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def timestamp(self) -> float:
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the hands forward."""
        self._now += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Put the hands at an aware moment."""
        self._now = moment.astimezone(UTC)
