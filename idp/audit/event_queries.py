"""Events: written unchained in the transaction of the act, in the database of the act.

The sealer moves the rows of both `event_pending` tables into `journal`. Every sign-in pays for every index on them, so
there are few: an `event_id` begins with the time, and orders by itself.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from idp.db.bulk import run_many

_PENDING: Final = (
    "INSERT INTO event_pending (event_id, at, kind, actor, subject, reason, correlation_id, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_pending(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Write events of an act in its transaction; both databases have the table under the same name."""
    run_many(connection, _PENDING, rows)
