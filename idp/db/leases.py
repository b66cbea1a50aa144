"""Leases: a hold on a name that ends by itself, so that work is done by one process at a time and a death frees it.

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
        Column("until", Float, nullable=False),  # seconds since 1970; after that the holder counts as dead
    )


lease = _lease(identity_metadata)
session_lease = _lease(sessions_metadata)

# One statement on both databases: a lease that has run out is reclaimed, the holder's own is renewed, a living one of
# somebody else is left alone.
_ACQUIRE = text(
    "INSERT INTO lease (name, holder, until) VALUES (:name, :holder, :until)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE lease.until <= :now OR lease.holder = excluded.holder RETURNING holder"
)


def acquire(connection: Connection, name: str, holder: str, now: float, until: float) -> bool:
    """Return whether `holder` now has the lease; of all who try, one has it until it runs out. A repeat renews it."""
    values = {"name": name, "holder": holder, "until": until, "now": now}
    return connection.execute(_ACQUIRE, values).first() is not None


def remaining_s(connection: Connection, name: str, holder: str, now: float) -> float:
    """Return for how many seconds `holder` still has the lease; 0 when it has not."""
    query = select(lease.c.until).where(lease.c.name == name, lease.c.holder == holder)
    until = connection.execute(query).scalar_one_or_none()
    return 0.0 if until is None else max(0.0, until - now)


def release(connection: Connection, name: str, holder: str) -> None:
    """End a lease; harmless when it has run out and somebody else has it."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))
