"""The one source of time. Steps receive a `Clock`; tests give one that they move themselves."""

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        return datetime.now(UTC)

    def timestamp(self) -> float:
        """Return the present in seconds since 1970, as sessions and tickets store it."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait; a test's clock only moves its hands."""
        time.sleep(seconds)
