"""Fresh databases for each test, cheaply: a copied SQLite template, or one PostgreSQL database emptied."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pydantic import SecretStr

import idp.app.tables  # noqa: F401 - every table is emptied
from idp.db.databases import (
    Databases,
    identity_file,
    identity_metadata,
    open_databases,
    sessions_file,
    sessions_metadata,
)
from idp.db.migrate import migrate
from idp.db.settings import StoreSettings

SCHEMAS = {"identity": identity_metadata, "sessions": sessions_metadata}


@dataclass(frozen=True)
class SqliteTemplate:
    """Two empty files with all tables, made once and copied for each test."""

    settings: StoreSettings

    @classmethod
    def make(cls, folder: Path) -> "SqliteTemplate":
        settings = StoreSettings(folder=folder)
        databases = open_databases(settings)
        migrate(databases)
        databases.close()
        return cls(settings)

    @contextmanager
    def databases(self, folder: Path) -> Iterator[Databases]:
        """Yield databases in `folder`, as good as new."""
        settings = StoreSettings(folder=folder)
        folder.mkdir(parents=True, exist_ok=True)
        for file in (identity_file, sessions_file):
            shutil.copyfile(file(self.settings), file(settings))
        databases = open_databases(settings)
        try:
            yield databases
        finally:
            databases.close()


@dataclass(frozen=True)
class PostgresDatabase:
    """One database of the run's server, owned by one worker; its rows go before each test."""

    url: str

    @classmethod
    def make(cls, server_url: str, name: str) -> "PostgresDatabase":
        database = cls(make_postgres_database(server_url, name))
        databases = open_databases(StoreSettings(postgresql_url=SecretStr(database.url)))
        migrate(databases)
        databases.close()
        return database

    @contextmanager
    def databases(self) -> Iterator[Databases]:
        """Yield the databases without a row."""
        self._empty()
        databases = open_databases(StoreSettings(postgresql_url=SecretStr(self.url)))
        try:
            yield databases
        finally:
            databases.close()

    def _empty(self) -> None:
        """Delete all rows: ten times cheaper than TRUNCATE for tables that are nearly empty."""
        orders = [
            f"DELETE FROM {schema}.{table.name}"  # noqa: S608 - names of our own tables
            for schema, metadata in SCHEMAS.items()
            for table in reversed(metadata.sorted_tables)
        ]
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute(";".join(orders).encode())


def make_postgres_database(server_url: str, name: str) -> str:
    """Create an empty database of the server and return its URL; an older one of that name goes."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server_url.rsplit("/", 1)[0] + "/" + name
