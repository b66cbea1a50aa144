"""Tables of accounts."""

from sqlalchemy import (
    Column,
    Date,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from idp.db.constraints import at_least
from idp.db.databases import sessions_metadata

claim_attempt = Table(
    "claim_attempt",
    sessions_metadata,
    Column("album_number", String(10), nullable=False),  # whether or not anybody has it
    Column("day", Date, nullable=False),  # in the university's time zone
    Column("attempts", Integer, nullable=False),
    PrimaryKeyConstraint("album_number", "day"),
    at_least("attempts", 1),
)


claim_failure = Table(
    "claim_failure",
    sessions_metadata,
    Column("network_hash", String(64), nullable=False),
    Column("day", Date, nullable=False),
    Column("failures", Integer, nullable=False),
    PrimaryKeyConstraint("network_hash", "day"),
    at_least("failures", 1),
)
