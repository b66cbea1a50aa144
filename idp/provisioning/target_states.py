"""The states of a person in a target, and how long to wait between attempts. Pure.

docs/decisions/0010-rebuild-the-centre.md has the table of transitions; `state_queries` carries them out.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from idp.db.backoff import Backoff


class State(StrEnum):
    """What we know of one person in one target."""

    IN_SYNC = "in_sync"  # applied equals desired, or nothing is there and nothing is required
    PENDING = "pending"  # something must be written, and we know what is there
    IN_DOUBT = "in_doubt"  # a write may have arrived, or somebody else changed the entry: read before you decide
    ACCEPTED = "accepted"  # the target took the write and shows it later: read again, do not write
    FAILED = "failed"  # we gave up; other records, a whole comparison or `retry` start again


class Presence(StrEnum):
    """Whether an entry must exist."""

    REQUIRED = "required"
    IF_PRESENT = "if_present"  # update if present, never create

    @classmethod
    def of(cls, only_if_present: bool) -> "Presence":
        """Return the presence of an entry that may be updated only, or may be created too."""
        return cls.IF_PRESENT if only_if_present else cls.REQUIRED


NOT_SHOWN = "found otherwise after it was written"  # the error when a target took a write and does not show it


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how soon failed work is tried again."""

    attempts: int  # then we give up on a person
    first_s: float
    most_s: float
    delay_most_s: float  # where the person is not to blame

    def after_attempts(self, count: int) -> timedelta | None:
        """Return the wait after so many failed attempts; None: give up."""
        return None if count >= self.attempts else timedelta(seconds=Backoff(self.first_s, self.most_s).wait_s(count))

    def after_delays(self, count: int) -> timedelta:
        """Return the wait after so many delays: short, so that people are written soon after the target is back."""
        return timedelta(seconds=Backoff(self.first_s, max(self.first_s, self.delay_most_s)).wait_s(count))
