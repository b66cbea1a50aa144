"""Raw connections for the hot path (sessions, tickets and their events), without SQLAlchemy.

One SQL text serves both databases: parameters are `?`, identity tables have the prefix `identity.`, session tables have
none. On SQLite the sessions' file is opened and the identities' file is attached read-only. Otherwise BEGIN IMMEDIATE
would take the write lock of both files, and a sign-in would wait for an import. On PostgreSQL a separate pool commits
without waiting for the disk, which is allowed for tickets.

A statement outside `transaction()` commits by itself.
"""

import select
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, LiteralString, Protocol

from psycopg.pq import ConnStatus
from psycopg_pool import ConnectionPool
from sqlalchemy import Connection, CursorResult

from idp.db.bulk import for_psycopg, in_dialect
from idp.db.databases import SESSIONS_LOG_PAGES, Databases, identity_file, sessions_file
from idp.db.prepared import PreparedConnection
from idp.db.process_names import process_name
from idp.db.settings import StoreSettings
from idp.db.writers import BoundedLock, WriterQueue

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Any]]  # SQL and its parameters

TIDY_LOG_BYTES = 4 * 1024 * 1024
TIDY_WAIT_S = 0.05  # to wait for readers; what they still read stays in the log until the next time


class Raw(Protocol):
    """A connection to the sessions' database that also reads identities.

    `row_lock`: the end of a SELECT of session `s` that keeps the row until we commit; "" where writers queue
    `skip_locked`: the end of a SELECT that lets parallel callers get different rows
    `can_write_in_select`: whether a DELETE may stand in the WITH of a SELECT, so that both are one round trip
    """

    row_lock: LiteralString
    skip_locked: LiteralString
    can_write_in_select: bool

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows, also of a writing statement with RETURNING."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Return how many rows were written."""

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a writing statement once per row, for all rows or none."""

    def write_together(self, *statements: Statement) -> None:
        """Run inserts into different tables, all or none. This is one round trip on PostgreSQL."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commit everything written in the block, or nothing after an exception. Transactions do not nest."""


class RawStore(Protocol):
    """A pool of raw connections."""

    def lend(self) -> AbstractContextManager[Raw]:
        """Yield a connection that nobody else uses until the block ends."""

    def exclusive(self) -> AbstractContextManager[object]:
        """Run one request of this process at a time. For requests of processor time and short statements only.

        On SQLite, threads of such requests take the interpreter's lock from each other at every statement. That costs
        a good part of a request. On PostgreSQL they wait for the network, so this locks nothing. A request that waits
        for others (a directory, an application) must not enter.
        """

    def tidy(self) -> int:
        """Do postponed maintenance of the database if it is time; return 1 if it was done. The worker calls this."""

    def close(self) -> None:
        """Close all connections. A later `lend` opens new ones."""


def open_raw(databases: Databases) -> RawStore:
    """Return the raw store of an installation. Connections are opened on first use."""
    url = databases.settings.postgresql_url
    if url is not None:
        return PostgresStore(url.get_secret_value())
    assert databases.sessions.queue is not None  # the sessions' file has one
    return SqliteStore(databases.settings, databases.sessions.queue)


def one(rows: list[Row]) -> Row | None:
    """Return the only row, or None when there is none."""
    return rows[0] if rows else None


def sweep(raw: Raw, rows: LiteralString, parameters: Sequence[Any]) -> int:
    """Delete rows and return how many. It reads first, so that no write lock is taken if there are none.

    Shape:   rows: the text after `DELETE FROM`
    """
    if not raw.all(f"SELECT 1 FROM {rows} LIMIT 1", parameters):  # noqa: S608 - constants of idp.db
        return 0
    return raw.run(f"DELETE FROM {rows}", parameters)  # noqa: S608 - constants of idp.db


class SqliteStore:
    """Connections to the two files, in a stack, so that the last used one is used first."""

    def __init__(self, settings: StoreSettings, queue: WriterQueue) -> None:
        self._settings = settings
        self._queue = queue  # shared with SQLAlchemy's writers of the same file
        self._idle: deque[SqliteRaw] = deque()
        self._exclusive = BoundedLock(settings.busy_timeout_s)

    def exclusive(self) -> AbstractContextManager[object]:
        return self._exclusive

    def lend(self) -> AbstractContextManager[Raw]:
        return _Lent(self)

    def take(self) -> "SqliteRaw":
        """Return an idle connection, or a new one."""
        try:
            return self._idle.pop()  # atomic in CPython, as is append
        except IndexError:
            return self._open()

    def give_back(self, raw: "SqliteRaw") -> None:
        self._idle.append(raw)

    def tidy(self) -> int:
        """Move the log into the file: most of it while writers write, the rest while they queue."""
        log = sessions_file(self._settings).with_name(f"{sessions_file(self._settings).name}-wal")
        if not log.exists() or log.stat().st_size < TIDY_LOG_BYTES:
            return 0
        raw = self._open(TIDY_WAIT_S)
        try:
            raw.all("PRAGMA main.wal_checkpoint(PASSIVE)")
            with self._queue:
                raw.all("PRAGMA main.wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
        return 1

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _open(self, timeout_s: float | None = None) -> "SqliteRaw":
        connection = sqlite3.connect(
            f"file:{sessions_file(self._settings)}",
            uri=True,
            timeout=self._settings.busy_timeout_s if timeout_s is None else timeout_s,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time uses it, but not always the same thread
            cached_statements=256,
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA wal_autocheckpoint={SESSIONS_LOG_PAGES}")
        connection.execute("ATTACH DATABASE ? AS identity", (f"file:{identity_file(self._settings)}?mode=ro",))
        return SqliteRaw(connection, self._queue)


class _Lent:
    """`SqliteStore.lend`. It is a class, because a generator costs as much as a statement."""

    __slots__ = ("_raw", "_store")

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __enter__(self) -> "SqliteRaw":
        self._raw = self._store.take()
        return self._raw

    def __exit__(self, *_error: object) -> None:
        self._store.give_back(self._raw)


class SqliteRaw:
    row_lock: LiteralString = ""
    skip_locked: LiteralString = ""
    can_write_in_select = False

    def __init__(self, connection: sqlite3.Connection, queue: WriterQueue) -> None:
        self._connection = connection
        self._queue = queue

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if self._connection.in_transaction or sql.startswith(("SELECT", "PRAGMA")):
            return self._connection.execute(sql, parameters).fetchall()
        with self._queue:
            return self._connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        if self._connection.in_transaction:
            return self._connection.execute(sql, parameters).rowcount
        with self._queue:
            return self._connection.execute(sql, parameters).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if self._connection.in_transaction:
            self._connection.executemany(sql, rows)
            return
        with self.transaction():
            self._connection.executemany(sql, rows)

    def write_together(self, *statements: Statement) -> None:
        if self._connection.in_transaction:
            for sql, parameters in statements:
                self._connection.execute(sql, parameters)
            return
        with self.transaction():
            self.write_together(*statements)

    def transaction(self) -> AbstractContextManager[None]:
        return _Transaction(self._connection, self._queue)

    def close(self) -> None:
        self._connection.close()


class _Transaction:
    """`SqliteRaw.transaction`."""

    __slots__ = ("_connection", "_queue")

    def __init__(self, connection: sqlite3.Connection, queue: WriterQueue) -> None:
        self._connection = connection
        self._queue = queue

    def __enter__(self) -> None:
        self._queue.__enter__()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._queue.__exit__()
            raise

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            try:
                # Also after a failed commit: the connection is used again and must not be in a transaction.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            finally:
                self._queue.__exit__()


class PostgresStore:
    """A pool. Its threads start with the first connection, so that building an application opens nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = threading.Lock()
        self._pool: ConnectionPool[PreparedConnection] | None = None

    def exclusive(self) -> AbstractContextManager[object]:
        return nullcontext()

    def lend(self) -> AbstractContextManager[Raw]:
        return _LentByPool(self._opened())

    def tidy(self) -> int:
        return 0

    def close(self) -> None:
        with self._opening:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _opened(self) -> ConnectionPool[PreparedConnection]:
        with self._opening:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._url,
                    connection_class=PreparedConnection,
                    min_size=1,
                    max_size=16,
                    timeout=5.0,
                    name="sessions",
                    open=True,
                    check=_check,
                    kwargs={
                        "application_name": process_name(),  # a fork opens a pool of its own: threads do not survive it
                        "autocommit": True,
                        "options": "-c search_path=sessions,identity -c synchronous_commit=off",
                        "prepare_threshold": 2,
                    },
                )
            return self._pool


def _check(connection: PreparedConnection) -> None:
    """Raise an error if the server ended an idle connection, for example by a restart. The pool then opens another.

    A server that ends a connection says so, and then there is something to read. Only then a round trip tells more.
    """
    something_to_read = select.poll()
    something_to_read.register(connection.pgconn.socket, select.POLLIN)
    if something_to_read.poll(0):
        ConnectionPool.check_connection(connection)


class _LentByPool:
    """`PostgresStore.lend`."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: ConnectionPool[PreparedConnection]) -> None:
        self._pool = pool

    def __enter__(self) -> "PostgresRaw":
        self._connection = self._pool.getconn()
        return PostgresRaw(self._connection)

    def __exit__(self, *_error: object) -> None:
        self._pool.putconn(self._connection)  # it replaces one that is broken


class PostgresRaw:
    row_lock: LiteralString = " FOR KEY SHARE OF s"  # blocks a delete, but no other reader
    skip_locked: LiteralString = " FOR UPDATE SKIP LOCKED"
    can_write_in_select = True

    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._connection.rows(_numbered(sql), parameters)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._connection.count(_numbered(sql), parameters)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(for_psycopg(sql), rows)

    def write_together(self, *statements: Statement) -> None:
        sql = _as_one_statement(tuple(sql for sql, _ in statements))
        self._connection.count(sql, [value for _, parameters in statements for value in parameters])

    def transaction(self) -> AbstractContextManager[None]:
        return _PostgresTransaction(self._connection)


class _PostgresTransaction:
    """`PostgresRaw.transaction`."""

    __slots__ = ("_connection",)

    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.count("BEGIN")

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        if kind is None:
            self._connection.count("COMMIT")
        elif self._connection.pgconn.status == ConnStatus.OK:  # else the server has rolled back
            self._connection.count("ROLLBACK")


@lru_cache(maxsize=64)
def _as_one_statement(inserts: tuple[LiteralString, ...]) -> str:
    """Return `WITH w0 AS (…), w1 AS (…) …`: PostgreSQL runs every insert of a WITH exactly once."""
    *before, last = inserts
    parts: LiteralString = ", ".join(f"w{number} AS ({insert})" for number, insert in enumerate(before))
    return _numbered(f"WITH {parts} {last}" if before else last)


@lru_cache(maxsize=256)
def _numbered(sql: str) -> str:
    """Return a text with `$1`, `$2` … for each `?`: our texts are constants and have no question mark of their own."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


class ConnectionRaw:
    """A SQLAlchemy connection in its transaction, used as a raw one."""

    row_lock: LiteralString = ""
    can_write_in_select = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        is_sqlite = connection.dialect.name == "sqlite"
        self.skip_locked: LiteralString = SqliteRaw.skip_locked if is_sqlite else PostgresRaw.skip_locked

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return [tuple(row) for row in self._run(sql, tuple(parameters)).fetchall()]

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._run(sql, tuple(parameters)).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._run(sql, [tuple(row) for row in rows])

    def write_together(self, *statements: Statement) -> None:
        for sql, parameters in statements:
            self._run(sql, tuple(parameters))

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()  # the caller's

    def _run(self, sql: str, parameters: Any) -> CursorResult[Any]:
        return self._connection.exec_driver_sql(in_dialect(self._connection, sql), parameters)


def over(connection: Connection) -> Raw:
    """Return a SQLAlchemy connection as a raw one. Writes belong to its transaction."""
    return ConnectionRaw(connection)
