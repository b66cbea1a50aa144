"""Compute the wait before the next attempt. Pure."""

from dataclasses import dataclass

_MOST_DOUBLINGS = 30  # more would overflow a float


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with a ceiling. Units: seconds."""

    first_s: float
    most_s: float
    jitter: float = 0.0  # 0.25: up to a quarter more or less, so that not all retry at once

    def wait_s(self, attempts: int, chance: float = 0.5) -> float:
        """Return the wait after so many attempts in a row have failed; `chance` from 0 to 1 places it in the jitter.

        Shape:   Backoff(0.5, 20).wait_s(1) -> 0.5; (4) -> 4.0; (99) -> 20.0
        """
        wait = min(self.most_s, self.first_s * 2.0 ** min(max(attempts, 1) - 1, _MOST_DOUBLINGS))
        return float(wait * (1 - self.jitter + 2 * self.jitter * chance))
