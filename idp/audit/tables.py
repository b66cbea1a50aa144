"""Tables of audit."""

from sqlalchemy import Column, Float, Integer, String, Table, Text

from idp.db.databases import identity_metadata

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
    Column("digest", String(64), nullable=False),  # SHA-256 over the event and the digest before it
)


lease = Table(
    "lease",
    identity_metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Float, nullable=False),
)
