"""Process locks: they end with the process that holds them. For work that must not run twice at once."""

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, text

from idp.db.databases import UNAVAILABLE, Database, Databases
from idp.errors import Conflict

log = structlog.get_logger(__name__)


@contextmanager
def exclusive(databases: Databases, name: str) -> Iterator[None]:
    """Hold `name` for this process alone while the block runs.

    Shape:   name: "registry-import"
    Raises:  Conflict when another process, or another thread, holds it
    """
    held = _file_lock(databases, name) if databases.identity.is_sqlite else _advisory_lock(databases.identity, name)
    with held:
        yield


def wait_for_lock(connection: Connection, name: str) -> None:
    """Wait until this transaction is the only one that has the lock `name`; its end releases the lock.

    Effect:  none on SQLite, where one transaction writes at a time anyway
    """
    if connection.dialect.name != "sqlite":
        number = {"number": zlib.crc32(name.encode())}
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), number)


@contextmanager
def _file_lock(databases: Databases, name: str) -> Iterator[None]:
    with open(databases.settings.folder / f"{name}.lock", "a", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another process is busy with this ({name}); try again later") from None
        yield


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _advisory_lock(database: Database, name: str) -> Iterator[None]:
    # Autocommit: a transaction open for minutes would keep PostgreSQL from vacuuming.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        number = {"number": zlib.crc32(name.encode())}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:number)"), number).scalar_one():
            raise Conflict(f"another process is busy with this ({name}); try again later")
        try:
            yield
        finally:
            try:
                connection.execute(text("SELECT pg_advisory_unlock(:number)"), number)
            except UNAVAILABLE:  # the lock ended with its connection; the caller's result, or its error, counts
                log.warning("the connection of a lock was lost", lock=name)
