"""The fees database is brought to this version by migrations that say what the tables say."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from idp.errors import ConfigError
from idp.fees.database import (
    Database,
    create_missing_key,
    key_file,
    load_key,
    migrate,
    open_database,
    require_migrated,
)
from idp.fees.settings import FeesSettings
from idp.fees.tables import metadata
from tests.support.databases import make_postgres_database
from tests.support.schema import rules_of


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        settings = FeesSettings(folder=tmp_path / "fees")
    else:
        settings = FeesSettings(postgresql_url=SecretStr(request.getfixturevalue("empty_postgres")))
    database = open_database(settings)
    yield database
    database.close()


@pytest.fixture
def declared(empty: Database, request: pytest.FixtureRequest, worker_id: str, tmp_path: Path) -> Iterator[Database]:
    """A database of the same kind whose tables are the declared ones, made without migrations."""
    if empty.is_sqlite:
        settings = FeesSettings(folder=tmp_path / "declared")
    else:
        server = request.getfixturevalue("postgres_server")
        settings = FeesSettings(postgresql_url=SecretStr(make_postgres_database(server, f"declared_{worker_id}")))
    database = open_database(settings)
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("CREATE SCHEMA fees"))
        metadata.create_all(connection, checkfirst=False)
    yield database
    database.close()


def test_migrations_make_the_tables_that_the_program_uses(empty: Database) -> None:
    migrate(empty)

    with empty.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrated_constraints_and_indexes_are_the_declared_ones(empty: Database, declared: Database) -> None:
    migrate(empty)

    with empty.read() as ours, declared.read() as theirs:
        assert rules_of(ours, metadata.tables) == rules_of(theirs, metadata.tables)


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


@pytest.mark.parametrize("content", ["", "00" * 63, "no hex"])
def test_a_key_file_that_is_not_whole_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    settings = FeesSettings(folder=tmp_path)
    file = key_file(settings)
    file.touch(mode=0o600)
    file.write_text(content, encoding="ascii")

    with pytest.raises(ConfigError, match="not a whole key"):
        load_key(settings)

    assert create_missing_key(settings) is None
    assert file.read_text(encoding="ascii") == content


def test_a_disk_that_fills_up_leaves_no_half_key(tmp_path: Path) -> None:
    settings = FeesSettings(folder=tmp_path)
    child = (
        "import resource, sys; from pathlib import Path;"
        "from idp.fees.database import create_missing_key; from idp.fees.settings import FeesSettings;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10));"
        "create_missing_key(FeesSettings(folder=Path(sys.argv[1])))"
    )

    done = subprocess.run([sys.executable, "-c", child, tmp_path], capture_output=True, text=True, check=False)

    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert create_missing_key(settings) is not None
    assert len(load_key(settings)) == 64
