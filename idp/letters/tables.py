"""Tables of letters."""

from sqlalchemy import Column, Float, Integer, String, Table, Text

from idp.db.databases import identity_metadata

letter = Table(
    "letter",
    identity_metadata,
    Column("letter_id", String(32), primary_key=True),
    Column("once_key", String(120), nullable=False, unique=True),  # "album:<person_id>": never twice
    Column("kind", String(32), nullable=False),
    Column("person_id", String(32), nullable=False),  # empty: to somebody without an account
    Column("to_address", String(254), nullable=False),
    Column("language", String(2), nullable=False),
    Column("sealed_data", Text, nullable=False),  # values of the template; may hold a link, so it is sealed
    Column("state", String(8), nullable=False),  # owed | sent | given_up
    Column("tries", Integer, nullable=False),
    Column("due_at", Float, nullable=False, index=True),
    Column("last_error", String(200), nullable=False),
    Column("owed_at", Float, nullable=False),
    Column("sent_at", Float),
)
