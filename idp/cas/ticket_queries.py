"""Service, proxy and proxy-granting tickets, on raw connections.

    session ──┬── ticket                 a service or proxy ticket: lives seconds, taken once
              └── proxy_granting ──┐     lets an application ask for proxy tickets; they form a chain
                       └───────────┘

A ticket counts only through a living session: every read joins `session` and `identity.account`.
So the end of a session ends the whole tree at once. Times are seconds since 1970.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from idp.applications.assurance import Assurance
from idp.audit.event_queries import adding
from idp.db.one_time import hash_of
from idp.db.raw import Raw, Row, one, sweep
from idp.people.view_queries import VIEW_OF_ACCOUNT, ViewKey
from idp.sso.session_queries import ALIVE


class NewTicket(NamedTuple):
    """What a service or proxy ticket stands for."""

    kind: str
    session_id: str
    application_id: str
    service_url: str
    from_new_login: bool
    expires_at: float
    parent_hash: str | None = None
    proxies: tuple[str, ...] = ()


class TakenTicket(NamedTuple):
    """A ticket that was just spent, and the session behind it."""

    kind: str
    session_id: str
    application_id: str
    service_url: str
    from_new_login: bool
    parent_hash: str | None
    proxies: tuple[str, ...]
    expires_at: float
    account_id: str | None  # None: the session behind it no longer counts
    signed_in_at: float
    session_expires_at: float
    remembered: bool
    assurance: Assurance
    uid: str
    view: str | None  # the content of the person's view, if it counts


_ADD_TICKET: Final = (
    "INSERT INTO ticket (ticket_hash, kind, session_id, application_id, service_url, from_new_login, parent_hash,"
    " proxies, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def add_ticket(raw: Raw, text: str, new: NewTicket, *events: Row) -> None:
    """Write a ticket together with its events; only its hash is kept."""
    values = (
        hash_of(text),
        new.kind,
        new.session_id,
        new.application_id,
        new.service_url,
        new.from_new_login,
        new.parent_hash,
        json.dumps(new.proxies) if new.proxies else "[]",
        new.expires_at,
    )
    raw.write_together((_ADD_TICKET, values), *(adding(event) for event in events))


_TAKE: Final = (
    "DELETE FROM ticket WHERE ticket_hash = ? RETURNING kind, session_id, application_id, service_url, from_new_login,"
    " parent_hash, proxies, expires_at"
)


def _behind(session_id: str) -> str:
    """Return the read of all that an answer needs: the session, if it and its account count now, and the person."""
    return (
        "SELECT s.account_id, s.signed_in_at, s.expires_at AS session_expires_at, s.remembered, s.assurance, a.uid,"  # noqa: S608 - constants
        f" v.content FROM session s JOIN identity.account a ON a.account_id = s.account_id {VIEW_OF_ACCOUNT}"
        f" WHERE s.session_id = {session_id} AND {ALIVE}"
    )


_BEHIND: Final = _behind("?")
_NOBODY: Final = (None, 0.0, 0.0, False, Assurance.PASSWORD, "", None)
_ASSURANCES: Final = {level.value: level for level in Assurance}


@lru_cache(maxsize=1)
def _take_and_read(row_lock: str) -> str:
    """Return both in one statement."""
    behind = _behind("(SELECT session_id FROM taken)") + row_lock
    return f"WITH taken AS ({_TAKE}), behind AS ({behind}) SELECT * FROM taken LEFT JOIN behind ON true"  # noqa: S608 - constants


def take_ticket(raw: Raw, text: str, now: float, key: ViewKey) -> TakenTicket | None:
    """Delete a ticket and return what it stood for, expired or not; None when it was never there or already taken.

    Effect:  of any number of parallel takers exactly one gets it; the session behind it does not end before we commit,
             so that whoever ends it sees the application that is now signed in
    """
    if raw.can_write_in_select:
        row = one(raw.all(_take_and_read(raw.row_lock), (hash_of(text), *key, now, now)))
        if row is None:
            return None
        taken, behind = row[:8], row[8:]
    else:
        found = one(raw.all(_TAKE, (hash_of(text),)))
        if found is None:
            return None
        taken, behind = found, one(raw.all(_BEHIND, (*key, found[1], now, now))) or _NOBODY
    kind, session_id, application_id, service_url, from_new_login, parent_hash, proxies, expires_at = taken
    account_id, signed_in_at, session_expires_at, remembered, assurance, uid, view = behind if behind[0] else _NOBODY
    return TakenTicket(
        kind,
        session_id,
        application_id,
        service_url,
        bool(from_new_login),
        parent_hash,
        () if proxies == "[]" else tuple(json.loads(proxies)),
        expires_at,
        account_id,
        signed_in_at,
        session_expires_at,
        bool(remembered),
        _ASSURANCES[assurance],
        uid,
        view,
    )


@dataclass(frozen=True, slots=True)
class ProxyGranting:
    """What a proxy-granting ticket stands for."""

    session_id: str
    application_id: str
    proxies: tuple[str, ...]  # its own callback first, then those before it in the chain
    parent_hash: str | None
    expires_at: float


@dataclass(frozen=True, slots=True)
class LiveProxyGranting:
    """A proxy-granting ticket whose session counts now."""

    pgt_hash: str
    session_id: str
    application_id: str
    proxies: tuple[str, ...]
    account_id: str
    assurance: Assurance


def add_proxy_granting(raw: Raw, text: str, new: ProxyGranting, now: float) -> bool:
    """Write a proxy-granting ticket, if its session still counts, and return whether it does; only its hash is kept.

    Effect:  the session does not end before we commit
    """
    written = raw.run(
        "INSERT INTO proxy_granting (pgt_hash, session_id, application_id, proxies, parent_hash, expires_at)"  # noqa: S608 - constants
        " SELECT ?, s.session_id, ?, ?, ?, ? FROM session s JOIN identity.account a ON a.account_id = s.account_id"
        f" WHERE s.session_id = ? AND {ALIVE}{raw.row_lock}",
        (
            hash_of(text),
            new.application_id,
            json.dumps(new.proxies),
            new.parent_hash,
            new.expires_at,
            new.session_id,
            now,
            now,
        ),
    )
    return written == 1


def find_proxy_granting(raw: Raw, text: str, now: float) -> LiveProxyGranting | None:
    """Return a proxy-granting ticket, if it and its session count now."""
    row = one(
        raw.all(
            "SELECT g.pgt_hash, g.session_id, g.application_id, g.proxies, s.account_id, s.assurance"  # noqa: S608 - constants
            " FROM proxy_granting g JOIN session s ON s.session_id = g.session_id"
            " JOIN identity.account a ON a.account_id = s.account_id"
            f" WHERE g.pgt_hash = ? AND g.expires_at > ? AND {ALIVE}",
            (hash_of(text), now, now, now),
        )
    )
    if row is None:
        return None
    pgt_hash, session_id, application_id, proxies, account_id, assurance = row
    return LiveProxyGranting(
        pgt_hash, session_id, application_id, tuple(json.loads(proxies)), account_id, Assurance(assurance)
    )


def drop_expired_tickets(raw: Raw, now: float) -> int:
    """Delete tickets that nobody took, and proxy-granting tickets that no session stands behind; return how many."""
    tickets = sweep(raw, "ticket WHERE expires_at <= ?", (now,))
    orphans = "NOT EXISTS (SELECT 1 FROM session s WHERE s.session_id = proxy_granting.session_id)"
    return tickets + sweep(raw, f"proxy_granting WHERE expires_at <= ? OR {orphans}", (now,))
