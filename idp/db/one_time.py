"""One-time tokens: an invitation, a claim step. Stored hashed, consumed by one atomic delete that returns the row."""

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


def issue(connection: Connection, purpose: str, data: dict[str, Any], expires_at: float) -> str:
    """Return a new token of 256 random bits for `data`. The caller must not store it."""
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(one_time).values(
            token_hash=hash_of(token), purpose=purpose, data=json.dumps(data), expires_at=expires_at
        )
    )
    return token


def peek(connection: Connection, purpose: str, token: str, now: float) -> dict[str, Any] | None:
    """Return a valid token's data and keep the token; None when it is unknown, expired or of another purpose."""
    row = connection.execute(
        one_time.select().where(one_time.c.token_hash == hash_of(token), one_time.c.purpose == purpose)
    ).one_or_none()
    return json.loads(row.data) if row is not None and row.expires_at > now else None


def consume(connection: Connection, purpose: str, token: str, now: float) -> dict[str, Any] | None:
    """Delete a valid token and return its data. Of any number of parallel callers, one gets the data."""
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
