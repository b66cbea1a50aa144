"""What anybody can cause as often as they like: told of seldom, so that nobody fills the journal from outside."""

import threading

EVERY_S = 3600.0
MOST = 50  # told of by name in that time; further ones are counted together
OTHERS = "*"


class EventSampler:
    """Counts by key, and says when to tell: at once the first time, then once an hour what came together since.

    Shape:   if told := seldom.count(host, now): write(*told)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}  # key -> when it was told of, and how many came since then

    def count(self, key: str, now: float) -> tuple[str, int] | None:
        """Count one more; return key and number when they are to be told now. OTHERS: what came on top of MOST keys."""
        with self._lock:
            if key not in self._told:
                self._told = {one: told for one, told in self._told.items() if now - told[0] < EVERY_S}
                key = key if len(self._told) < MOST else OTHERS
            told_at, count = self._told.get(key, (float("-inf"), 0))
            is_due = now - told_at >= EVERY_S
            self._told[key] = (now, 0) if is_due else (told_at, count + 1)
        return (key, count + 1) if is_due else None
