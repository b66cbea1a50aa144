"""What happened in the fees application: written in the transaction of the act, never changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection, insert, select

from idp.fees import tables

STUDENTS_IMPORTED: Final = "students.imported"
STUDENTS_REFUSED: Final = "students.refused"
CHARGE_RECORDED: Final = "charge.recorded"
PAYMENT_RECORDED: Final = "payment.recorded"
SIGNED_IN: Final = "sign_in.succeeded"
SIGN_IN_REFUSED: Final = "sign_in.refused"
SIGNED_OUT: Final = "session.ended"

APPLICATION: Final = "fees"


@dataclass(frozen=True, slots=True)
class Event:
    """One act. `actor`: "fees", "cas", "shell:<login name>" or a CAS user; `subject`: an album, os_id, file or user."""

    kind: str
    actor: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection, at: datetime, *events: Event) -> None:
    """Write events in the caller's transaction."""
    correlation_id = str(structlog.contextvars.get_contextvars().get("correlation_id", ""))
    rows = [
        {
            "at": at,
            "kind": event.kind,
            "actor": event.actor,
            "subject": event.subject,
            "data": json.dumps(dict(event.data), ensure_ascii=False, sort_keys=True),
            "correlation_id": correlation_id,
        }
        for event in events
    ]
    if rows:
        connection.execute(insert(tables.journal), rows)


def latest(connection: Connection, count: int, subject: str = "") -> Sequence[Mapping[str, Any]]:
    """Return the newest events, newest first; `subject` finds what somebody did, too."""
    journal = tables.journal.c
    query = select(tables.journal).order_by(journal.event_id.desc()).limit(count)
    if subject:
        query = query.where((journal.subject == subject) | (journal.actor == subject))
    return [{**row, "data": json.loads(row["data"])} for row in connection.execute(query).mappings()]
