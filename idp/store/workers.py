"""Signs of life of the workers."""

from sqlalchemy import Column, Connection, Float, String, Table, delete, func, insert, select

from idp.store.base import sessions_metadata

worker = Table(
    "worker",
    sessions_metadata,
    Column("worker_id", String(64), primary_key=True),
    Column("seen_at", Float, nullable=False),  # seconds since 1970
)


def sign(connection: Connection, worker_id: str, now: float) -> None:
    """Say that a worker lives."""
    connection.execute(delete(worker).where(worker.c.worker_id == worker_id))
    connection.execute(insert(worker).values(worker_id=worker_id, seen_at=now))


def forget_before(connection: Connection, then: float) -> None:
    """Drop workers that have been silent since `then`."""
    connection.execute(delete(worker).where(worker.c.seen_at < then))


def last_seen(connection: Connection) -> float | None:
    """Return when any worker was last alive; None when none ever was."""
    seen: float | None = connection.execute(select(func.max(worker.c.seen_at))).scalar_one()
    return seen


def seen_at(connection: Connection, worker_id: str) -> float | None:
    """Return when this worker was last alive."""
    seen: float | None = connection.execute(
        select(worker.c.seen_at).where(worker.c.worker_id == worker_id)
    ).scalar_one_or_none()
    return seen
