"""Events: written unchained in the transaction of the act (either database), then chained into the journal.

`event_pending` stands in both databases; the sealer moves its rows into `journal`, numbered and chained by hash.
Every sign-in pays for every index here, so there are few: an `event_id` begins with the time, and orders by itself.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Float, MetaData, String, Table, Text

from idp.db.bulk import run_many
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
        sqlite_with_rowid=False,  # one tree to write instead of two
    )


event_pending = _pending(identity_metadata)
session_event_pending = _pending(sessions_metadata)


_PENDING: Final = (
    "INSERT INTO event_pending (event_id, at, kind, actor, subject, reason, correlation_id, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_pending(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Write events of an act in its transaction; both databases have the table under the same name."""
    run_many(connection, _PENDING, rows)
