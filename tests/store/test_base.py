"""The databases themselves: transactions, and what the fixture promises."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import DateTime, MetaData, Table, create_engine, insert, select, text

from idp.db.bulk import among
from idp.db.databases import Database, Databases, UtcDateTime, identity_metadata, open_databases, sessions_metadata
from idp.db.leases import lease
from idp.db.migrate import migrate
from idp.db.settings import StoreSettings


def rows(databases: Databases) -> int:
    with databases.identity.read() as connection:
        return len(connection.execute(select(lease)).all())


def write_one(databases: Databases) -> None:
    with databases.identity.write() as connection:
        connection.execute(insert(lease).values(name="sealer", holder="me", expires_at=1.0))


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_gets_databases_without_rows(databases: Databases, time: str) -> None:
    assert rows(databases) == 0
    write_one(databases)

    assert rows(databases) == 1


def test_an_exception_takes_back_the_whole_transaction(databases: Databases) -> None:
    def write_and_fail() -> None:
        with databases.identity.write() as connection:
            connection.execute(insert(lease).values(name="sealer", holder="me", expires_at=1.0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()

    assert rows(databases) == 0


def test_both_databases_answer(databases: Databases) -> None:
    with databases.identity.read() as identity, databases.sessions.read() as sessions:
        assert identity.execute(text("SELECT 1")).scalar() == 1
        assert sessions.execute(text("SELECT 1")).scalar() == 1


def test_many_texts_are_one_bound_value(databases: Databases) -> None:
    texts = ["sealer", "it's", 'a "quoted" one', "Łódź", "?"]
    with databases.identity.write() as connection:
        connection.execute(insert(lease), [{"name": name, "holder": "me", "expires_at": 1.0} for name in texts])

        def found(*names: str) -> list[str]:
            wanted = select(lease.c.name).where(among(connection, lease.c.name, names))
            return sorted(connection.execute(wanted).scalars())

        assert found(*texts, "not there") == sorted(texts)
        assert found(*map(str, range(100_000)), "Łódź") == ["Łódź"]
        assert found() == []


def test_a_time_is_stored_as_sqlalchemy_stores_it() -> None:
    sqlite = create_engine("sqlite://").dialect
    ours = UtcDateTime().bind_processor(sqlite)
    theirs = DateTime().dialect_impl(sqlite).bind_processor(sqlite)
    assert ours is not None
    assert theirs is not None
    for written in ("2026-11-30T15:00:00+01:00", "0999-01-02T03:04:05.000007+00:00", "2026-02-28T23:30:00.5-02:00"):
        at = datetime.fromisoformat(written)
        assert ours(at) == theirs(at.astimezone(UTC))
    assert ours(None) is None
    with pytest.raises(ValueError, match="naive"):
        ours(datetime(2026, 11, 30))  # noqa: DTZ001 - that is the point


def test_no_constraint_costs_a_temporary_index_per_written_row(tmp_path: Path) -> None:
    """SQLite builds one for `x IN (…)` at each insert; such constraints took a quarter of an import's writing."""

    def builds_index(database: Database, metadata: MetaData) -> list[str]:
        with database.read() as connection:
            return [
                table.name
                for table in metadata.sorted_tables
                if "OpenEphemeral" in _program(connection.exec_driver_sql(_explained_insert(table)).all())
            ]

    databases = open_databases(StoreSettings(folder=tmp_path))
    try:
        migrate(databases)
        assert builds_index(databases.identity, identity_metadata) == []
        assert builds_index(databases.sessions, sessions_metadata) == []
    finally:
        databases.close()


def _explained_insert(table: Table) -> str:
    return f"EXPLAIN INSERT INTO {table.name} VALUES ({', '.join('1' for _ in table.c)})"  # noqa: S608 - our own tables


def _program(steps: Sequence[Any]) -> set[str]:
    """Return the names of the steps that SQLite would take."""
    return {step[1] for step in steps}
