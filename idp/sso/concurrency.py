"""Cap what is done at once: a few are served, some wait, the others are asked to come back."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from idp.errors import Refused, TargetUnavailable


class TooBusy(Refused):
    """More ask at once than can be served; a retry a little later helps."""

    code = "too_busy"
    retryable = True


class ConcurrencyLimiter:
    """A hash needs memory and a core for tens of milliseconds; a storm of sign-ins must neither exhaust the one nor
    take every thread away from those who are signed in already."""

    def __init__(self, served_at_once: int, waiting: int, wait_s: float) -> None:
        self._free = threading.BoundedSemaphore(served_at_once)
        self._places = threading.BoundedSemaphore(served_at_once + waiting)
        self._wait_s = wait_s
        self._unavailable_at = float("-inf")

    @property
    def is_full(self) -> bool:
        """Whether the next one would be asked to come back."""
        if self._places.acquire(blocking=False):
            self._places.release()
            return False
        return True

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for one's turn.

        Raises:  TooBusy when the line is full, or does not move in time; TargetUnavailable when somebody before was
                 told so after we came: who waits for a silent directory waits for one time-out, and not for one each
        """
        came_at = time.monotonic()
        if not self._places.acquire(blocking=False):
            raise TooBusy
        try:
            if not self._free.acquire(timeout=self._wait_s):
                raise TooBusy
            try:
                if self._unavailable_at > came_at:
                    # Not noted again: who comes from now on tries for themselves.
                    raise TargetUnavailable("it did not answer those before us in the line")
                with self._noted():
                    yield
            finally:
                self._free.release()
        finally:
            self._places.release()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except TargetUnavailable:
            self._unavailable_at = time.monotonic()
            raise
