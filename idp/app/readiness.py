"""Tell whether everything answers that this process needs. Anybody may ask, so it must be cheap."""

import threading
from collections.abc import Callable, Mapping

import structlog

from idp.clock import Clock

KEPT_S = 2.0
OK = "ok"

log = structlog.get_logger(__name__)


class Readiness:
    """The state of every part. One thread at a time checks, and a good result is kept for a moment."""

    def __init__(self, checks: Mapping[str, Callable[[], object]], clock: Clock) -> None:
        """`checks`: by part. A check that raises names the problem."""
        self._checks = checks
        self._clock = clock
        self._looking = threading.Lock()
        self._parts: Mapping[str, str] = dict.fromkeys(checks, "unknown")
        self._looked_at = float("-inf")

    def parts(self) -> Mapping[str, str]:
        """Return "ok" or "down" by part, and "unknown" until the first check is finished.

        Effect:  checks again if the last check is old or found something down, so a recovery shows at once. Whoever
                 asks meanwhile gets the last answer without waiting
        """
        if not self._is_fresh() and self._looking.acquire(blocking=False):
            try:
                self._parts = {name: _state_of(check) for name, check in self._checks.items()}
                self._looked_at = self._clock.timestamp()
            finally:
                self._looking.release()
        return self._parts

    def _is_fresh(self) -> bool:
        is_well = all(state == OK for state in self._parts.values())
        return is_well and 0 <= self._clock.timestamp() - self._looked_at < KEPT_S


def _state_of(check: Callable[[], object]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever is wrong is the answer; its text stays in the log
        log.warning("not ready", error=str(error))
        return "down"
    return OK
