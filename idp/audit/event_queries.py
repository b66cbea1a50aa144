"""Events: written unchained in the transaction of the act, in the database of the act.

The sealer moves the rows of both `event_pending` tables into `journal`. Every sign-in pays for every index on them, so
there are few: an `event_id` begins with the time, and orders by itself.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from idp.db.bulk import run_many
from idp.db.raw import Raw, Statement

_PENDING: Final = (
    "INSERT INTO event_pending (event_id, at, kind, actor, subject, reason, correlation_id, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_pending(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Write events of an act in its transaction; both databases have the table under the same name."""
    run_many(connection, _PENDING, rows)


def adding(row: Sequence[Any]) -> Statement:
    """Return the statement that writes an event, for `Raw.write_together`."""
    return _PENDING, row


def add_events(raw: Raw, rows: Sequence[Sequence[Any]]) -> None:
    """Write events made by `idp.audit.events.row`, in the caller's transaction on a raw connection."""
    if len(rows) == 1:
        raw.run(_PENDING, rows[0])
    elif rows:
        raw.many(_PENDING, rows)
