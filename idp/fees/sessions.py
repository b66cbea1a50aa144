"""Signed-in browsers. A session is a row, so that the sign-in service can end it from outside (single logout)."""

import secrets

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from idp.db.one_time import hash_of
from idp.fees import tables
from idp.fees.values import Session


def start(connection: Connection, ticket: str, cas_user: str, album: str | None, now: float, lifetime_s: float) -> str:
    """Return the token of a new session; the cookie holds it, the database only its hash.

    Effect:  a row; expired rows of anybody go
    """
    token = secrets.token_urlsafe(32)
    connection.execute(delete(tables.session).where(tables.session.c.expires_at <= now))
    connection.execute(
        insert(tables.session).values(
            token_hash=hash_of(token),
            ticket_hash=hash_of(ticket),
            cas_user=cas_user,
            album=album,
            expires_at=now + lifetime_s,
        )
    )
    return token


def find(connection: Connection, token: str, now: float) -> Session | None:
    """Return the living session of a cookie."""
    session = tables.session.c
    query = select(session.cas_user, session.album).where(
        session.token_hash == hash_of(token), session.expires_at > now
    )
    row = connection.execute(query).one_or_none()
    return Session(row.cas_user, row.album) if row else None


def end(connection: Connection, token: str) -> Session | None:
    """Return the session that was ended; None when there was none."""
    return _ended(connection, tables.session.c.token_hash == hash_of(token))


def end_by_ticket(connection: Connection, ticket: str) -> Session | None:
    """Return the session that began with `ticket` and was ended; None when there was none."""
    return _ended(connection, tables.session.c.ticket_hash == hash_of(ticket))


def _ended(connection: Connection, where: ColumnElement[bool]) -> Session | None:
    session = tables.session
    row = connection.execute(delete(session).where(where).returning(session.c.cas_user, session.c.album)).first()
    return Session(row.cas_user, row.album) if row else None
