"""Heartbeats of the workers."""

from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    String,
    Table,
    delete,
    func,
    literal,
    literal_column,
    select,
    text,
)

from idp.db.constraints import one_of
from idp.db.databases import sessions_metadata

worker = Table(
    "worker",
    sessions_metadata,
    Column("worker_id", String(64), primary_key=True),
    Column("seen_at", Float, nullable=False),  # seconds since 1970
    Column("alive_until", Float, nullable=False),  # without another heartbeat it counts as dead after that
    Column("executes_runs", Boolean, nullable=False),  # its engine is up
    Column("version", String(64), nullable=False),  # of the code
    Column("lane", String(8), nullable=False),  # which sweeps it does
    one_of("lane", ("fast", "bulk")),
)


_SIGN = (
    "INSERT INTO worker (worker_id, seen_at, alive_until, executes_runs, version, lane)"
    " VALUES (:worker, {now}, {now} + :for_s, :executes_runs, :version, :lane) ON CONFLICT (worker_id) DO UPDATE SET"
    " seen_at = excluded.seen_at, alive_until = excluded.alive_until, executes_runs = excluded.executes_runs,"
    " version = excluded.version, lane = excluded.lane"
)
# On PostgreSQL the database's clock counts: a machine whose clock is ahead would see all others as dead.
DATABASES_NOW = "EXTRACT(EPOCH FROM clock_timestamp())"
_SIGN_ON_POSTGRESQL = text(_SIGN.format(now=DATABASES_NOW))
_SIGN_HERE = text(_SIGN.format(now=":now"))


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker and its last heartbeat."""

    worker_id: str
    seen_at: float
    alive_until: float
    executes_runs: bool
    version: str
    lane: str


def sign(
    connection: Connection,
    worker_id: str,
    now: float,
    for_s: float,
    *,
    executes_runs: bool = False,
    version: str = "",
    lane: str = "bulk",
) -> None:
    """Write a heartbeat. Without another one, the worker counts as dead after `for_s`.

    Shape:   now: used on SQLite only, here and below; PostgreSQL uses its own clock
    """
    values = {
        "worker": worker_id,
        "now": now,
        "for_s": for_s,
        "executes_runs": executes_runs,
        "version": version,
        "lane": lane,
    }
    connection.execute(_SIGN_HERE if connection.dialect.name == "sqlite" else _SIGN_ON_POSTGRESQL, values)


def leave(connection: Connection, worker_id: str) -> None:
    """Store that a worker has ended."""
    connection.execute(delete(worker).where(worker.c.worker_id == worker_id))


def alive(connection: Connection, now: float) -> list[Worker]:
    """Return the living workers."""
    query = select(worker).where(worker.c.alive_until > _by_one_clock(connection, now)).order_by(worker.c.worker_id)
    return [Worker(**row._mapping) for row in connection.execute(query)]


def cut_off(connection: Connection, worker_id: str) -> int:
    """End the database connections of a dead worker, and return how many there were.

    A machine that fails, or a process that is stopped, keeps the locks of its transactions until the network notices,
    which takes hours. If the worker wakes up later, it has lost its connections and starts again.

    Effect:  none on SQLite, where locks end with the process
    """
    if connection.dialect.name == "sqlite":
        return 0
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    mine = " WHERE application_name = :name AND pid <> pg_backend_pid() AND datname = current_database()"
    count: int = connection.execute(text(ended + mine), {"name": worker_id}).scalar_one()
    return count


def forget_silent(connection: Connection, now: float, for_s: float) -> None:
    """Delete workers without a heartbeat for so long."""
    connection.execute(delete(worker).where(worker.c.seen_at < _by_one_clock(connection, now) - for_s))


def last_seen(connection: Connection) -> float | None:
    """Return the time of the last heartbeat of any worker; None if there never was one."""
    seen: float | None = connection.execute(select(func.max(worker.c.seen_at))).scalar_one()
    return seen


def seen_at(connection: Connection, worker_id: str) -> float | None:
    """Return the time of this worker's last heartbeat."""
    seen: float | None = connection.execute(
        select(worker.c.seen_at).where(worker.c.worker_id == worker_id)
    ).scalar_one_or_none()
    return seen


def _by_one_clock(connection: Connection, now: float) -> ColumnElement[float]:
    """Return the time of the clock that all heartbeats use."""
    if connection.dialect.name == "sqlite":
        return literal(now)
    return literal_column(DATABASES_NOW, Float())
