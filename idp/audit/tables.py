"""Tables of audit: unsealed events in both databases, and the journal."""

from sqlalchemy import CheckConstraint, Column, Float, Integer, LargeBinary, MetaData, String, Table, Text

from idp.db.constraints import at_least
from idp.db.databases import identity_metadata, sessions_metadata


def _pending(metadata: MetaData) -> Table:
    return Table(
        "event_pending",
        metadata,
        Column("event_id", String(32), primary_key=True),
        Column("at", Float, nullable=False),  # seconds since 1970
        Column("kind", String(64), nullable=False),
        Column("actor", String(64), nullable=False),
        Column("subject", String(64), nullable=False),
        Column("reason", String(200), nullable=False),
        Column("correlation_id", String(64), nullable=False),
        Column("data", Text, nullable=False),  # JSON, never a secret
        sqlite_with_rowid=False,  # without a rowid: one tree to write instead of two
    )


event_pending = _pending(identity_metadata)
session_event_pending = _pending(sessions_metadata)

# The chain covers seq, event_id, at, kind and `rest_hash`. An erasure empties the other columns and the salt. The chain
# stays intact, and nobody can guess the erased values.
journal = Table(
    "journal",
    identity_metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("event_id", String(32), nullable=False, unique=True),
    Column("at", Float, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("subject", String(64), nullable=False, index=True),
    Column("reason", String(200), nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Column("salt", LargeBinary),  # NULL: the event was erased
    Column("rest_hash", String(64), nullable=False),  # SHA-256 over salt, actor, subject, reason, correlation_id, data
    Column("digest", String(64), nullable=False),  # SHA-256 over the previous digest and what the chain covers
    at_least("seq", 1),
    CheckConstraint(
        "salt IS NOT NULL OR (actor = '' AND subject = '' AND reason = '' AND correlation_id = '' AND data = '{}')",
        name="erased",
    ),
)
