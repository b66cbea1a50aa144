"""Tables of jobs."""

from sqlalchemy import (
    Column,
    Float,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from idp.db.databases import UtcDateTime, identity_metadata

schedule_firing = Table(
    "schedule_firing",
    identity_metadata,
    Column("name", String(32), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("state", String(8), nullable=False),  # running | done | failed | skipped
    Column("holder", String(64), nullable=False),  # the worker that does it
    # Seconds since 1970; a firing still running after that is taken over: its worker is dead, or it was put off.
    Column("until", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("run_id", String(32), nullable=False),  # that it made, or ""
    Column("note", String(500), nullable=False),  # what it did, or why it failed
    PrimaryKeyConstraint("name", "due_at"),
)
