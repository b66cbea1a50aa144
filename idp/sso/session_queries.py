"""Sign-on sessions and the applications visited in them, on raw connections.

A session counts only while its account is enabled and has the session's epoch: every read joins `identity.account`.
Tickets of the protocols count only through a living session, so ending a session ends them all.
Times are seconds since 1970.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from idp.applications.assurance import Assurance
from idp.audit.event_queries import adding
from idp.db.one_time import hash_of
from idp.db.raw import Raw, Row, one
from idp.sso.factors import Factor, assurance_of, factors_as_json

# --- sessions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a sign-in writes."""

    session_id: str
    account_id: str
    epoch: int
    signed_in_at: float
    idle_until: float
    expires_at: float
    remembered: bool
    warns: bool
    network: str
    browser: str
    factors: tuple[Factor, ...]


class LiveSession(NamedTuple):
    """A valid session and its account. A tuple, because creating a frozen dataclass costs more."""

    session_id: str
    account_id: str
    uid: str
    account_kind: str  # student | staff
    role: str
    display_name: str
    signed_in_at: float
    seen_at: float
    expires_at: float
    remembered: bool
    warns: bool
    network: str
    browser: str
    assurance: Assurance


_LIVE_COLUMNS = """s.session_id, s.account_id, a.uid, a.kind, a.role, a.display_name, s.signed_in_at, s.seen_at,
 s.expires_at, s.remembered, s.warns, s.network, s.browser, s.assurance"""
ALIVE = "a.enabled AND a.epoch = s.epoch AND s.idle_until > ? AND s.expires_at > ?"


# What every sign-in writes, whether its session is new or goes on under a new token.
_WRITTEN: Final = (
    *("token_hash", "epoch", "signed_in_at", "seen_at", "idle_until", "expires_at"),
    *("remembered", "warns", "network", "browser", "factors", "assurance"),
)
_ADD: Final = (
    f"INSERT INTO session ({', '.join(_WRITTEN)}, session_id, account_id)"  # noqa: S608 - constants
    f" VALUES ({', '.join('?' * len(_WRITTEN))}, ?, ?)"
)
_RENEW: Final = f"UPDATE session SET {', '.join(f'{name} = ?' for name in _WRITTEN)} WHERE session_id = ?"  # noqa: S608 - constants


def add_session(raw: Raw, token: str, new: NewSession) -> None:
    """Write a session that `token` opens."""
    raw.run(_ADD, (*_written(token, new), new.session_id, new.account_id))


def renew_session(raw: Raw, session_id: str, token: str, new: NewSession) -> None:
    """Give an existing session of the same account a new token and new times; what hangs on it stays."""
    raw.run(_RENEW, (*_written(token, new), session_id))


def _written(token: str, new: NewSession) -> Row:
    return (
        *(hash_of(token), new.epoch, new.signed_in_at, new.signed_in_at, new.idle_until, new.expires_at),
        *(new.remembered, new.warns, new.network, new.browser),
        *(factors_as_json(new.factors), assurance_of(new.factors)),
    )


def find_session(raw: Raw, token: str, now: float) -> LiveSession | None:
    """Return the session that `token` opens, if it and its account count now: one joined read."""
    row = one(
        raw.all(
            f"SELECT {_LIVE_COLUMNS} FROM session s JOIN identity.account a ON a.account_id = s.account_id"  # noqa: S608 - constants
            f" WHERE s.token_hash = ? AND {ALIVE}",
            (hash_of(token), now, now),
        )
    )
    return None if row is None else _live(row)


def sessions_of(raw: Raw, account_id: str, now: float) -> list[LiveSession]:
    """Return the living sessions of an account, last used first."""
    rows = raw.all(
        f"SELECT {_LIVE_COLUMNS} FROM session s JOIN identity.account a ON a.account_id = s.account_id"  # noqa: S608 - constants
        f" WHERE s.account_id = ? AND {ALIVE} ORDER BY s.seen_at DESC, s.session_id",
        (account_id, now, now),
    )
    return [_live(row) for row in rows]


def touch_session(raw: Raw, session_id: str, now: float, idle_until: float) -> None:
    """Note that a session was used."""
    raw.run("UPDATE session SET seen_at = ?, idle_until = ? WHERE session_id = ?", (now, idle_until, session_id))


@dataclass(frozen=True, slots=True)
class GoneSession:
    """A session that was just deleted."""

    session_id: str
    account_id: str


def remove_sessions(raw: Raw, session_ids: Sequence[str]) -> list[GoneSession]:
    """Delete sessions and return those that were there."""
    gone = []
    for session_id in session_ids:
        for (account_id,) in raw.all("DELETE FROM session WHERE session_id = ? RETURNING account_id", (session_id,)):
            gone.append(GoneSession(session_id, account_id))
    return gone


def session_ids_of(raw: Raw, account_id: str) -> list[str]:
    """Return every session of an account, also those that no longer count."""
    return [row[0] for row in raw.all("SELECT session_id FROM session WHERE account_id = ?", (account_id,))]


def sessions_beyond(raw: Raw, account_id: str, kept: int) -> list[str]:
    """Return the sessions of an account but for the `kept` latest, at most 100 at a time."""
    rows = raw.all(
        "SELECT session_id FROM session WHERE account_id = ? ORDER BY signed_in_at DESC, session_id DESC"
        " LIMIT 100 OFFSET ?",
        (account_id, kept),
    )
    return [row[0] for row in rows]


def end_of_part(raw: Raw, after: str, count: int) -> str | None:
    """Return the last of the `count` sessions that follow `after` in the order of their ids; None for fewer."""
    row = one(
        raw.all(
            "SELECT session_id FROM session WHERE session_id > ? ORDER BY session_id LIMIT 1 OFFSET ?",
            (after, count - 1),
        )
    )
    return None if row is None else str(row[0])


def closed_session_ids(raw: Raw, limit: int, after: str = "", last: str | None = None) -> list[str]:
    """Return sessions in a part of all whose account was disabled or has another epoch."""
    upper, bounds = ("", (after,)) if last is None else (" AND s.session_id <= ?", (after, last))
    rows = raw.all(
        "SELECT s.session_id FROM session s LEFT JOIN identity.account a ON a.account_id = s.account_id"  # noqa: S608 - constants
        f" WHERE (a.account_id IS NULL OR NOT a.enabled OR a.epoch <> s.epoch) AND s.session_id > ?{upper} LIMIT ?",
        (*bounds, limit),
    )
    return [row[0] for row in rows]


def expired_session_ids(raw: Raw, now: float, limit: int) -> list[str]:
    """Return sessions that were idle for too long or are too old."""
    rows = raw.all(
        "SELECT session_id FROM session WHERE idle_until <= ?"
        " UNION SELECT session_id FROM session WHERE expires_at <= ? LIMIT ?",
        (now, now, limit),
    )
    return [row[0] for row in rows]


def _live(row: Row) -> LiveSession:
    values = list(row)
    values[9:11] = [bool(value) for value in row[9:11]]  # SQLite keeps truth as 0 and 1
    values[13] = _ASSURANCES[row[13]]
    return LiveSession(*values)


_ASSURANCES = {level.value: level for level in Assurance}


# --- applications ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Visited:
    """An application that took a ticket of a session and wants to hear of its end."""

    session_id: str
    ticket: str
    kind: str
    application: str
    address: str
    at: float


_ADD_VISITED: Final = (
    "INSERT INTO session_application (session_id, ticket, kind, application, address, at) VALUES (?, ?, ?, ?, ?, ?)"
)


def add_visited(raw: Raw, visited: Visited, *events: Row) -> None:
    """Remember an application of a session, together with events."""
    values = (visited.session_id, visited.ticket, visited.kind, visited.application, visited.address, visited.at)
    raw.write_together((_ADD_VISITED, values), *(adding(event) for event in events))


def take_visited(raw: Raw, session_id: str) -> list[Visited]:
    """Delete and return the applications of a session, the latest first."""
    rows = raw.all(
        "DELETE FROM session_application WHERE session_id = ?"
        " RETURNING session_id, ticket, kind, application, address, at",
        (session_id,),
    )
    return sorted((Visited(*row) for row in rows), key=lambda visited: visited.at, reverse=True)
