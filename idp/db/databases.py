"""The two databases: how to open them, and how transactions begin.

identity  people, accounts, names, runs, letters, the journal: every commit reaches the disk (`synchronous=FULL`)
sessions  sessions, tickets, one-time tokens and their events: a power cut may lose the last moments (`NORMAL`)

On SQLite they are two files, so that an import never blocks a sign-in. On PostgreSQL they are two schemas of one
database, found by the search path. The names in SQL are the same on both.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, TypeDecorator, create_engine, event
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from idp.db.process_names import process_name
from idp.db.settings import StoreSettings
from idp.db.writers import WriterQueue
from idp.settings import not_set_up

StoreError = SQLAlchemyError
"""The errors of a database that does not answer or refuses, for callers that continue without it."""

UNAVAILABLE: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    # on raw connections; their pool included
    sqlite3.OperationalError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""The errors of a database that does not answer. Edges turn them into StoreUnavailable."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite writes to a log first. At so many pages of 4 KiB, the next commit moves the log into the file, which waits for
# the disk twice. For sessions the worker does it (RawStore.tidy), so no sign-in waits. This is for when none runs.
SESSIONS_LOG_PAGES = 16_000

# Keys of people are random, so an import touches pages all over the indexes: with SQLite's own 2 MiB it reads them
# again and again. Memory is taken only as pages are read.
IDENTITY_CACHE_KIB = 32 * 1024

identity_metadata = MetaData(naming_convention=NAMING)
sessions_metadata = MetaData(naming_convention=NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """A column that takes an aware datetime and returns the same instant in UTC, on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive datetime has no instant")
        return None if value is None else value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def as_text(value: datetime | None) -> str | None:
            # As SQLAlchemy writes it, in a fifth of the time: an import binds several times for each person.
            utc = self.process_bind_param(value, dialect)
            return None if utc is None else utc.replace(tzinfo=None).isoformat(" ", "microseconds")

        return as_text

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Database:
    """One of the two databases. `queue`: the queue of its writers on SQLite; None on PostgreSQL."""

    engine: Engine
    queue: WriterQueue | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in one transaction: committed at the end, rolled back by an exception.

        On SQLite the write lock is taken at once (BEGIN IMMEDIATE). So a transaction never fails half-way because
        another process wrote after its first read.
        """
        lock: AbstractContextManager[object] = nullcontext() if self.queue is None else self.queue
        with lock, self.engine.connect() as connection:
            connection.execution_options(idp_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for reading. Nothing written in it is kept.

        On SQLite all statements see one state of the database. On PostgreSQL each statement sees what was committed
        before it. So a caller that reads a queue and the records reads the queue first.
        """
        with self.engine.connect() as connection:
            yield connection

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"


@dataclass(frozen=True, slots=True)
class Databases:
    """Both databases of one installation."""

    identity: Database
    sessions: Database
    settings: StoreSettings

    def close(self) -> None:
        """Close all pooled connections."""
        for one in (self.identity, self.sessions):
            one.engine.dispose()
            if one.queue is not None:
                one.queue.close()


def open_databases(settings: StoreSettings) -> Databases:
    """Return the databases of an installation. Connections are opened on first use."""
    if settings.postgresql_url is not None:
        url = settings.postgresql_url.get_secret_value()
        identity = Database(postgresql_engine(url, "identity,sessions", durable=True))
        sessions = Database(postgresql_engine(url, "sessions,identity", durable=False))
        return Databases(identity, sessions, settings)
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_pages = f"wal_autocheckpoint={SESSIONS_LOG_PAGES}"
    return Databases(
        _queued(identity_file(settings), settings, "FULL", f"cache_size=-{IDENTITY_CACHE_KIB}"),
        _queued(sessions_file(settings), settings, "NORMAL", log_pages),
        settings,
    )


def _queued(file: Path, settings: StoreSettings, synchronous: str, *pragmas: str) -> Database:
    queue = WriterQueue(file.with_suffix(".lock"), settings.busy_timeout_s)
    return Database(sqlite_engine(file, settings.busy_timeout_s, synchronous, *pragmas), queue)


def require_made(settings: StoreSettings) -> None:
    """Return if the database files exist: opening would create empty ones.

    Raises:  ConfigError, which says what to do
    """
    if settings.postgresql_url is None:
        for file in (identity_file(settings), sessions_file(settings)):
            if not file.exists():
                raise not_set_up(file, "idp setup")


def identity_file(settings: StoreSettings) -> Path:
    """Return the SQLite file of people and names."""
    return settings.folder / "identity.db"


def sessions_file(settings: StoreSettings) -> Path:
    """Return the SQLite file of sessions and tickets."""
    return settings.folder / "sessions.db"


def database_files(settings: StoreSettings) -> list[Path]:
    """Return all SQLite files, with the engine's and SQLite's own -wal and -shm; none on PostgreSQL."""
    if settings.postgresql_url is not None:
        return []
    names = ("identity.db", "sessions.db", "engine.db")
    return [settings.folder / f"{name}{ending}" for name in names for ending in ("", "-wal", "-shm")]


def sqlite_engine(file: Path, busy_timeout_s: float, synchronous: str, *pragmas: str) -> Engine:
    """Return the engine of a SQLite file, which is made if need be; only we can read it."""
    if not file.exists():
        file.touch(mode=0o600)  # SQLite would use the umask. Its -wal and -shm files get the mode of this file
    # hide_parameters: an error text must not show data about people.
    engine = create_engine(f"sqlite:///{file}", hide_parameters=True, connect_args={"timeout": busy_timeout_s})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver opens no transactions; `begin` below does
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("idp_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def postgresql_engine(url: str, search_path: str, *, durable: bool) -> Engine:
    """Return the engine of a PostgreSQL database. `durable`: a commit waits for the disk."""
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    options = f"-c search_path={search_path} -c synchronous_commit={'on' if durable else 'off'}"
    engine = create_engine(
        url, hide_parameters=True, pool_pre_ping=True, pool_size=8, max_overflow=8, connect_args={"options": options}
    )

    @event.listens_for(engine, "do_connect")
    def name(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        parameters["application_name"] = process_name()  # at each connect, because a fork has another pid

    return engine
