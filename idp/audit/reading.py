"""Read events, sealed or not yet."""

import json
from typing import Any

from idp.store.base import Databases
from idp.store.events import journal
from idp.store.journal import PENDING_TABLES, newest


def latest(databases: Databases, count: int, kind: str = "", subject: str = "") -> list[dict[str, Any]]:
    """Return the newest events of both databases, newest first.

    Shape:   kind "sign_in" finds "sign_in.succeeded" and "sign_in.refused"; subject finds what an account did, too
    """
    found = {
        event["event_id"]: event
        for database, table in (
            (databases.identity, journal),
            (databases.identity, PENDING_TABLES["identity"]),
            (databases.sessions, PENDING_TABLES["sessions"]),
        )
        for event in newest(database, table, count, kind, subject)
    }
    ordered = sorted(found.values(), key=lambda event: (event["at"], event["event_id"]), reverse=True)[:count]
    return [{**event, "data": json.loads(event["data"])} for event in ordered]
