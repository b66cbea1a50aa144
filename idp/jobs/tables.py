"""Tables of jobs."""

from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from idp.db.constraints import at_least, one_of
from idp.db.databases import UtcDateTime, identity_metadata


class FiringState(StrEnum):
    """The state of one firing of a schedule."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # due before this installation knew the schedule; never done


schedule_firing = Table(
    "schedule_firing",
    identity_metadata,
    Column("name", String(32), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("state", String(8), nullable=False),
    Column("holder", String(64), nullable=False),  # the worker that does it
    # Seconds since 1970. After that, any worker may reclaim a running firing: its worker is dead, or it was delayed.
    Column("lease_until", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("run_id", String(32), nullable=False),  # the run that it made, or ""
    Column("note", String(500), nullable=False),  # what it did, or why it failed
    PrimaryKeyConstraint("name", "due_at"),
    one_of("state", FiringState),
    at_least("attempts", 1),
    CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="finished"),
)
