"""How far each target's own changes have been read: the cookie of its change feed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from idp.provisioning.tables import target_cookie


@dataclass(frozen=True, slots=True)
class Cookie:
    """Up to where a target's changes were read, and when."""

    cookie: str
    read_at: datetime


def cookie_of(connection: Connection, target: str) -> Cookie | None:
    """Return how far a target was read; None: never."""
    row = connection.execute(select(target_cookie).where(target_cookie.c.target == target)).one_or_none()
    return None if row is None else Cookie(row.cookie, row.read_at)


def keep_cookie(connection: Connection, target: str, cookie: str, at: datetime) -> None:
    """Keep how far a target was read."""
    connection.execute(delete(target_cookie).where(target_cookie.c.target == target))
    connection.execute(insert(target_cookie).values(target=target, cookie=cookie, read_at=at))
