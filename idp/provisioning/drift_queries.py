"""How far each target's own changes were read."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from idp.provisioning.tables import target_cursor


def cursor_of(connection: Connection, target: str) -> str | None:
    """Return how far a target's changes were read; None: never."""
    query = select(target_cursor.c.cursor).where(target_cursor.c.target == target)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def keep_cursor(connection: Connection, target: str, cursor: str, at: datetime) -> None:
    """Keep how far a target's changes were read."""
    connection.execute(delete(target_cursor).where(target_cursor.c.target == target))
    connection.execute(insert(target_cursor).values(target=target, cursor=cursor, read_at=at))
