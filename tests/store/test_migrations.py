"""Migrations lead to exactly the tables that the code declares."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

import idp.app.tables  # noqa: F401 - registers every table, so that a migration can be compared with them
from idp.db.databases import Database, Databases, identity_metadata, open_databases, sessions_metadata
from idp.db.migrate import migrate
from idp.db.revisions import MIGRATIONS, newest_revision, require_migrated, version_table
from idp.db.settings import StoreSettings
from idp.errors import ConfigError


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
