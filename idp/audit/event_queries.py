"""Events: written unchained in the transaction of the act, in the database of the act.

The sealer moves the rows of both `event_pending` tables into `journal`. Each index on them slows every sign-in, so
there are few: an `event_id` begins with the time, so it sorts by time.
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
    """Write events in the transaction of their act. The table has the same name in both databases."""
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
