"""Raw connections for the hot path: sessions, tickets and their events, without SQLAlchemy between.

One SQL text serves both databases: parameters are `?`, the identities are read as `identity.account`, our own tables
need no prefix. On SQLite the sessions' file is opened and the identities' file is attached read-only. Read-only not
only for safety: BEGIN IMMEDIATE takes the write lock of every attached file that can be written, and a sign-in would
wait for an import. On PostgreSQL a pool of its own commits without waiting for the disk, as tickets may.

A statement outside `transaction()` commits by itself.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, LiteralString, Protocol

import psycopg
from psycopg_pool import ConnectionPool

from idp.store.base import Databases, identity_file, sessions_file
from idp.store.settings import StoreSettings

Row = tuple[Any, ...]


class Raw(Protocol):
    """One connection to the sessions' database that also reads the identities."""

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return every row; also of a statement that writes and has RETURNING."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Return how many rows were written."""

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a writing statement once per row."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commit what is written within together, or, after an exception, none of it. Transactions do not nest."""


class RawStore(Protocol):
    """Kept connections, lent for a moment."""

    def lend(self) -> AbstractContextManager[Raw]:
        """Yield a connection that nobody else uses until the block ends."""

    def close(self) -> None:
        """Give the connections back to the system; a later `lend` opens new ones."""


def open_raw(databases: Databases) -> RawStore:
    """Return the raw store of an installation; connections are made on first use."""
    url = databases.settings.postgresql_url
    return SqliteStore(databases.settings) if url is None else PostgresStore(url.get_secret_value())


def one(rows: list[Row]) -> Row | None:
    """Return the only row, or None when there is none."""
    return rows[0] if rows else None


class SqliteStore:
    """Connections to the two files, kept in a stack so that a warm one is used first."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._idle: deque[SqliteRaw] = deque()
        # SQLite sleeps, longer each time, until a file's one writer is done; threads of one process wait for each
        # other here instead and go on at once.
        self._writing = threading.Lock()

    @contextmanager
    def lend(self) -> Iterator[Raw]:
        try:
            raw = self._idle.pop()  # atomic in CPython, as is append
        except IndexError:
            raw = self._open()
        try:
            yield raw
        finally:
            self._idle.append(raw)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _open(self) -> "SqliteRaw":
        connection = sqlite3.connect(
            f"file:{sessions_file(self._settings)}",
            uri=True,
            timeout=self._settings.busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time has it, but not always the same one
            cached_statements=256,
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("ATTACH DATABASE ? AS identity", (f"file:{identity_file(self._settings)}?mode=ro",))
        return SqliteRaw(connection, self._writing)


class SqliteRaw:
    def __init__(self, connection: sqlite3.Connection, writing: threading.Lock) -> None:
        self._connection = connection
        self._writing = writing

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, parameters).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._writing:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class PostgresStore:
    """A pool; its threads start with the first connection, so that building an application opens nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = threading.Lock()
        self._pool: ConnectionPool[psycopg.Connection[Row]] | None = None

    @contextmanager
    def lend(self) -> Iterator[Raw]:
        with self._opened().connection() as connection:
            yield PostgresRaw(connection)

    def close(self) -> None:
        with self._opening:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _opened(self) -> ConnectionPool[psycopg.Connection[Row]]:
        with self._opening:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._url,
                    min_size=1,
                    max_size=16,
                    timeout=5.0,
                    name="sessions",
                    open=True,
                    kwargs={
                        "autocommit": True,
                        "options": "-c search_path=sessions,identity -c synchronous_commit=off",
                        "prepare_threshold": 2,
                    },
                )
            return self._pool


class PostgresRaw:
    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(_for_psycopg(sql), parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._connection.execute(_for_psycopg(sql), parameters).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_for_psycopg(sql), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._connection.transaction():
            yield


@lru_cache(maxsize=256)
def _for_psycopg(sql: LiteralString) -> LiteralString:
    """Our texts are constants of idp.store; none of them has a question mark or a percent sign of its own."""
    return sql.replace("?", "%s")
