"""One at a time: a short hold on a name, for work that leaves the database and must not run twice side by side."""

import secrets

from sqlalchemy import Column, Connection, Float, String, Table, delete, text

from idp.db.databases import sessions_metadata

work_lease = Table(
    "work_lease",
    sessions_metadata,
    Column("name", String(80), primary_key=True),  # "claim:<person_id>"
    Column("holder", String(32), nullable=False),
    Column("until", Float, nullable=False),  # after that the holder counts as dead
)

# One statement on both databases: a hold that has run out is taken over, a living one is left alone.
TAKE = text(
    "INSERT INTO work_lease (name, holder, until) VALUES (:name, :holder, :until) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    "WHERE work_lease.until <= :now RETURNING holder"
)


def hold(connection: Connection, name: str, now: float, until: float) -> str | None:
    """Return a token that frees the hold again, or None when somebody else holds `name` now."""
    holder = secrets.token_hex(16)
    row = connection.execute(TAKE, {"name": name, "holder": holder, "until": until, "now": now}).one_or_none()
    return None if row is None else holder


def free(connection: Connection, name: str, holder: str) -> None:
    """End a hold; harmless when it has run out and somebody else has it."""
    connection.execute(delete(work_lease).where(work_lease.c.name == name, work_lease.c.holder == holder))
