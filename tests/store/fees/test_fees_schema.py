"""The fees database is brought to this version by migrations that say what the tables say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from idp.errors import ConfigError
from idp.fees.database import Database, create_missing_key, load_key, migrate, open_database, require_migrated
from idp.fees.settings import FeesSettings
from idp.fees.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        settings = FeesSettings(folder=tmp_path / "fees")
    else:
        settings = FeesSettings(postgresql_url=SecretStr(request.getfixturevalue("empty_postgres")))
    database = open_database(settings)
    yield database
    database.close()


def test_migrations_make_the_tables_that_the_program_uses(empty: Database) -> None:
    migrate(empty)

    with empty.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(empty: Database) -> None:
    assert migrate(empty) == migrate(empty)
    require_migrated(empty)


def test_a_database_of_another_version_is_refused_with_the_command_that_mends_it(empty: Database) -> None:
    with pytest.raises(ConfigError, match="idp fees setup"):
        require_migrated(empty)


def test_an_error_of_the_database_does_not_show_what_was_being_written(empty: Database) -> None:
    with pytest.raises(DBAPIError) as raised, empty.write() as connection:
        connection.execute(text("INSERT INTO missing VALUES (:name)"), {"name": "Żaneta"})

    assert "Żaneta" not in str(raised.value)


def test_the_key_is_made_once_and_only_we_can_read_it(tmp_path: Path) -> None:
    settings = FeesSettings(folder=tmp_path / "fees")
    with pytest.raises(ConfigError, match="idp fees setup"):
        load_key(settings)

    file = create_missing_key(settings)
    assert file is not None
    key = load_key(settings)

    assert file.stat().st_mode & 0o777 == 0o600
    assert create_missing_key(settings) is None
    assert load_key(settings) == key
    assert len(key) == 64
