"""Rate-limit events that unauthenticated clients can cause, so that they cannot fill the journal."""

import threading

EVERY_S = 3600.0
MOST = 50  # recorded by key in that time; further keys are counted together
OTHERS = "*"


class EventSampler:
    """Counts by key, and says when to record: the first time at once, then the sum once an hour.

    Shape:   if sampled := sampler.count(host, now): write(*sampled)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}  # key -> when it was recorded, and the count since then

    def count(self, key: str, now: float) -> tuple[str, int] | None:
        """Count one more; return key and count if they must be recorded now. OTHERS counts keys beyond MOST."""
        with self._lock:
            if key not in self._told:
                self._told = {one: told for one, told in self._told.items() if now - told[0] < EVERY_S}
                key = key if len(self._told) < MOST else OTHERS
            told_at, count = self._told.get(key, (float("-inf"), 0))
            is_due = now - told_at >= EVERY_S
            self._told[key] = (now, 0) if is_due else (told_at, count + 1)
        return (key, count + 1) if is_due else None
