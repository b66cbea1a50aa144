"""Fresh databases for each test, cheaply: a copied SQLite template, or one PostgreSQL database emptied."""

import importlib
import pkgutil
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pydantic import SecretStr
from sqlalchemy import MetaData, create_engine
from sqlalchemy.pool import NullPool

import idp.store
from idp.store.base import (
    Databases,
    identity_file,
    identity_metadata,
    open_databases,
    sessions_file,
    sessions_metadata,
)
from idp.store.settings import StoreSettings

SCHEMAS = {"identity": identity_metadata, "sessions": sessions_metadata}


def know_all_tables() -> None:
    """Import every module of idp.store, so that the metadata hold every table."""
    for module in pkgutil.iter_modules(idp.store.__path__, "idp.store."):
        importlib.import_module(module.name)


@dataclass(frozen=True)
class SqliteTemplate:
    """Two empty files with all tables, made once and copied for each test."""

    settings: StoreSettings

    @classmethod
    def make(cls, folder: Path) -> "SqliteTemplate":
        know_all_tables()
        settings = StoreSettings(folder=folder)
        for metadata, file in ((identity_metadata, identity_file), (sessions_metadata, sessions_file)):
            _create_all(metadata, f"sqlite:///{file(settings)}")
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
        know_all_tables()
        database = cls(make_postgres_database(server_url, name))
        for schema, metadata in SCHEMAS.items():
            with psycopg.connect(database.url, autocommit=True) as connection:
                connection.execute(f"CREATE SCHEMA {schema}".encode())
            _create_all(metadata, f"{_for_sqlalchemy(database.url)}?options=-csearch_path%3D{schema}")
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


def _create_all(metadata: MetaData, url: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    metadata.create_all(engine)
    engine.dispose()


def _for_sqlalchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)
