"""Whether everything answers that this process needs. Anybody may ask, so asking costs next to nothing."""

import threading
from collections.abc import Callable, Mapping

import structlog

from idp.clock import Clock

KEPT_S = 2.0
OK = "ok"

log = structlog.get_logger(__name__)


class Readiness:
    """The state of every part, looked at by one thread at a time; while all is well it is kept for a moment."""

    def __init__(self, checks: Mapping[str, Callable[[], object]], clock: Clock) -> None:
        """`checks`: by part; one that raises says what is wrong."""
        self._checks = checks
        self._clock = clock
        self._looking = threading.Lock()
        self._parts: Mapping[str, str] = dict.fromkeys(checks, "unknown")
        self._looked_at = float("-inf")

    def parts(self) -> Mapping[str, str]:
        """Return "ok" or "down" by part, and "unknown" while nobody has finished looking.

        Effect:  looks again when the last look is too old, or found something down: a recovery is seen at once; whoever
                 comes meanwhile gets the last answer, and does not wait
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
