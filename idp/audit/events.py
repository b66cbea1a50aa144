"""Record what happened: who, what, when, why, and which request or run it belonged to."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from idp.store.events import write_pending

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Event:
    """One act. `kind` is a word of `idp.audit.words`.

    Shape:   Event("account.claimed", subject=person_id, actor=person_id)
             actor: an account_id, "system", or "shell:<login name>"; subject: an account_id, run, file or address
             data: JSON values without secrets and without national ids
    """

    kind: str
    subject: str = ""
    actor: str = SYSTEM
    reason: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


COLUMNS = ("event_id", "at", "kind", "actor", "subject", "reason", "correlation_id", "data")


_as_json = msgspec.json.Encoder(order="sorted").encode


def row(event: Event, at: float) -> tuple[Any, ...]:
    """Return `event` as a row in the order of COLUMNS, for the raw path of sessions and tickets."""
    return next(_rows([event], at))


def _rows(events: Iterable[Event], at: float) -> Iterator[tuple[Any, ...]]:
    correlation_id = str(structlog.contextvars.get_contextvars().get("correlation_id", ""))
    for event in events:
        data = _as_json(dict(event.data)).decode()
        yield (new_id(), at, event.kind, event.actor, event.subject, event.reason, correlation_id, data)


def record(connection: Connection, at: float, *events: Event) -> None:
    """Write events in the caller's transaction, in either database.

    Effect:  rows in that database's `event_pending`; they exist exactly when the act does
    """
    record_all(connection, at, events)


def record_all(connection: Connection, at: float, events: Iterable[Event]) -> None:
    """Write many events; as `record`."""
    write_pending(connection, list(_rows(events, at)))


def new_id() -> str:
    """Return 32 hex digits that sort in the order of making: nanoseconds since 1970, then 64 random bits."""
    return f"{time.time_ns():016x}{os.urandom(8).hex()}"


def shell_actor() -> str:
    """Return who acts when a command is run on the machine."""
    return "shell:" + (os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid()))
