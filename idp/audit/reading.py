"""Read events, sealed or not."""

import json
from collections.abc import Sequence
from typing import Any

from idp.audit.journal_queries import PENDING_TABLES, newest
from idp.audit.tables import journal
from idp.db.databases import Databases


def latest(databases: Databases, count: int, kind: str = "", subjects: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the newest events of both databases, newest first.

    Shape:   kind "sign_in" finds "sign_in.succeeded" and "sign_in.refused"; subjects match events about or by an
             account, and refused claims of an album number
    """
    found = {
        event["event_id"]: event
        for database, table in (
            (databases.identity, journal),
            (databases.identity, PENDING_TABLES["identity"]),
            (databases.sessions, PENDING_TABLES["sessions"]),
        )
        for event in newest(database, table, count, kind, subjects)
    }
    ordered = sorted(found.values(), key=lambda event: (event["at"], event["event_id"]), reverse=True)[:count]
    return [{**event, "data": json.loads(event["data"])} for event in ordered]
