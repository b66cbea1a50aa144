"""One-time things: an invitation, a claim step. Stored hashed, taken by one atomic delete-and-return."""

import hashlib
import json
import secrets
from typing import Any

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, exists, insert, select

from idp.db.databases import sessions_metadata

one_time = Table(
    "one_time",
    sessions_metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("data", Text, nullable=False),  # JSON
    Column("expires_at", Float, nullable=False, index=True),  # seconds since 1970
)


def hash_of(token: str) -> str:
    """Return the SHA-256 in hex under which a token is kept: a stolen database opens nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


def give(connection: Connection, purpose: str, data: dict[str, Any], expires_at: float) -> str:
    """Return a new token of 256 random bits for `data`; the caller hands it out and forgets it."""
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(one_time).values(
            token_hash=hash_of(token), purpose=purpose, data=json.dumps(data), expires_at=expires_at
        )
    )
    return token


def peek(connection: Connection, purpose: str, token: str, now: float) -> dict[str, Any] | None:
    """Return a living token's data and leave it in place; None when unknown, expired or of another purpose."""
    row = connection.execute(
        one_time.select().where(one_time.c.token_hash == hash_of(token), one_time.c.purpose == purpose)
    ).one_or_none()
    return json.loads(row.data) if row is not None and row.expires_at > now else None


def take(connection: Connection, purpose: str, token: str, now: float) -> dict[str, Any] | None:
    """Return a living token's data and spend it: of any number of parallel takers exactly one gets the data."""
    row = connection.execute(
        delete(one_time)
        .where(one_time.c.token_hash == hash_of(token), one_time.c.purpose == purpose)
        .returning(one_time.c.data, one_time.c.expires_at)
    ).one_or_none()
    return json.loads(row.data) if row is not None and row.expires_at > now else None


def sweep(connection: Connection, now: float) -> int:
    """Delete what has expired and return how many rows that were."""
    return connection.execute(delete(one_time).where(one_time.c.expires_at <= now)).rowcount


def any_expired(connection: Connection, now: float) -> bool:
    """Return whether a sweep would find something; a look takes no write lock."""
    return bool(connection.execute(select(exists().where(one_time.c.expires_at <= now))).scalar_one())
