"""Record what happened: who, what, when, why, and in which request or run."""

import os
import pwd
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from idp.audit.event_queries import write_pending

SYSTEM = "system"
_NO_UID = 2**32 - 1  # -1 in the kernel: nobody logged in


@dataclass(frozen=True, slots=True)
class Event:
    """One act. `kind` is one of `idp.audit.event_types`.

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
    """Return 32 hex digits that sort by creation: nanoseconds since 1970, then 64 random bits."""
    return f"{time.time_ns():016x}{os.urandom(8).hex()}"


def shell_actor() -> str:
    """Return the actor of a command on this machine: the person who logged in, if the machine knows."""
    return "shell:" + login_name(_login_uid(), os.getuid(), os.environ.get("SUDO_USER", ""))


def login_name(login_uid: int | None, uid: int, sudo_user: str) -> str:
    """Return the login name of the person who logged in.

    Shape:   login_uid: the kernel keeps it through su and sudo; None if the kernel keeps none; uid: of the process;
             sudo_user: set by sudo; used only for root, because everybody else could forge it
    Source:  proc(5), /proc/pid/loginuid; sudo(8), ENVIRONMENT
    """
    if login_uid is not None:
        return _user_name(login_uid)
    if uid == 0 and sudo_user and _is_user(sudo_user):
        return sudo_user
    return _user_name(uid)


def _login_uid() -> int | None:
    try:
        uid = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):  # this kernel keeps no login uid
        return None
    return None if uid == _NO_UID else uid


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
