"""Leases: locks on a name that expire, so that one process works at a time and a dead process blocks nobody.

Both databases have a table `lease`, so that a lease can be taken in the database where its work is.
"""

from sqlalchemy import Column, Connection, Float, MetaData, String, Table, delete, select, text

from idp.db.databases import identity_metadata, sessions_metadata


def _lease(metadata: MetaData) -> Table:
    return Table(
        "lease",
        metadata,
        Column("name", String(80), primary_key=True),  # "sealer", "claim:<person_id>"
        Column("holder", String(64), nullable=False),
        Column("expires_at", Float, nullable=False),  # seconds since 1970; after that the holder counts as dead
    )


lease = _lease(identity_metadata)
session_lease = _lease(sessions_metadata)

# One statement on both databases: it reclaims an expired lease, renews the holder's own, and leaves others' alone.
_ACQUIRE = text(
    "INSERT INTO lease (name, holder, expires_at) VALUES (:name, :holder, :expires_at)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at"
    " WHERE lease.expires_at <= :now OR lease.holder = excluded.holder RETURNING holder"
)


def acquire(connection: Connection, name: str, holder: str, now: float, expires_at: float) -> bool:
    """Return whether `holder` now has the lease. One holder has it at a time, until it expires. A repeat renews it."""
    values = {"name": name, "holder": holder, "expires_at": expires_at, "now": now}
    return connection.execute(_ACQUIRE, values).first() is not None


def remaining_s(connection: Connection, name: str, holder: str, now: float) -> float:
    """Return for how many seconds `holder` still has the lease; 0 if it has none."""
    query = select(lease.c.expires_at).where(lease.c.name == name, lease.c.holder == holder)
    expires_at = connection.execute(query).scalar_one_or_none()
    return 0.0 if expires_at is None else max(0.0, expires_at - now)


def release(connection: Connection, name: str, holder: str) -> None:
    """End a lease; harmless if it has expired and somebody else has it."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))
