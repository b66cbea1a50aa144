"""Migrations lead to exactly the tables that the code declares."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import MetaData, text

import idp.app.tables  # noqa: F401 - registers every table, so that a migration can be compared with them
from idp.db.databases import Database, Databases, identity_metadata, open_databases, sessions_metadata
from idp.db.migrate import migrate
from idp.db.revisions import MIGRATIONS, newest_revision, require_migrated, version_table
from idp.db.settings import StoreSettings
from idp.errors import ConfigError
from tests.support.schema import rules_of


def differences(name: str, database: Database, metadata: MetaData) -> list[object]:
    def is_of_this_database(found: str | None, kind: str, _parents: object) -> bool:
        # On PostgreSQL the other schema's tables are visible, too.
        return kind != "table" or found not in {
            *(ours - set(metadata.tables)),
            *map(version_table, ("identity", "sessions")),
        }

    ours = {*identity_metadata.tables, *sessions_metadata.tables}
    options = {"compare_type": True, "version_table": version_table(name), "include_name": is_of_this_database}
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def test_the_migrated_tables_are_the_declared_ones(databases: Databases) -> None:
    assert differences("identity", databases.identity, identity_metadata) == []
    assert differences("sessions", databases.sessions, sessions_metadata) == []


@pytest.fixture
def declared(databases: Databases, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Databases of the same kind whose tables are the declared ones, made without migrations."""
    if databases.identity.is_sqlite:
        settings = StoreSettings(folder=tmp_path / "declared")
    else:
        settings = StoreSettings(postgresql_url=SecretStr(request.getfixturevalue("empty_postgres")))
    made = open_databases(settings)
    for schema, database, metadata in (
        ("identity", made.identity, identity_metadata),
        ("sessions", made.sessions, sessions_metadata),
    ):
        with database.write() as connection:
            if not database.is_sqlite:
                connection.execute(text(f"CREATE SCHEMA {schema}"))
            # Without a look: on PostgreSQL the other schema's table of the same name would be taken for this one.
            metadata.create_all(connection, checkfirst=False)
    yield made
    made.close()


def test_the_migrated_constraints_and_indexes_are_the_declared_ones(databases: Databases, declared: Databases) -> None:
    for migrated, expected, metadata in (
        (databases.identity, declared.identity, identity_metadata),
        (databases.sessions, declared.sessions, sessions_metadata),
    ):
        with migrated.read() as ours, expected.read() as theirs:
            assert rules_of(ours, metadata.tables) == rules_of(theirs, metadata.tables)


def test_migrating_again_changes_nothing(databases: Databases) -> None:
    assert migrate(databases) == {name: newest_revision(name) for name in ("identity", "sessions")}
    require_migrated(databases)


@pytest.mark.parametrize("name", ["identity", "sessions"])
def test_the_newest_file_is_the_head_that_alembic_knows(name: str) -> None:
    assert ScriptDirectory(str(MIGRATIONS / name)).get_current_head() == newest_revision(name)


def test_a_store_without_tables_says_which_command_makes_them(tmp_path: Path) -> None:
    databases = open_databases(StoreSettings(folder=tmp_path))
    try:
        with pytest.raises(ConfigError, match="idp setup"):
            require_migrated(databases)
    finally:
        databases.close()
