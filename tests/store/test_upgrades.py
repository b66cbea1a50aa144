"""Databases of an earlier revision come to this one with all their data."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from pydantic import SecretStr

from deploy.openldap.private import PrivateSlapd
from idp.audit.checkpoints import verify
from idp.cli.setup import setup
from idp.db.databases import Databases, open_databases
from idp.db.revisions import MIGRATIONS, require_migrated, revisions
from idp.db.settings import StoreSettings
from tests.support.keys import write_key_files
from tests.support.stored_databases import FOLDER, StoredDatabases, digests, make, rows_in

STORED = sorted(FOLDER.glob("*.json"))


@pytest.fixture(scope="module")
def todays(tmp_path_factory: pytest.TempPathFactory, slapd: PrivateSlapd) -> StoredDatabases:
    """Databases with data at the newest revision."""
    slapd.reset()
    return make(tmp_path_factory.mktemp("todays"), slapd)


@pytest.fixture(params=[*STORED, None], ids=lambda file: "today" if file is None else file.stem)
def stored(request: pytest.FixtureRequest) -> StoredDatabases:
    if request.param is None:
        todays: StoredDatabases = request.getfixturevalue("todays")
        return todays
    return StoredDatabases.load(request.param)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Databases without tables."""
    if request.param == "sqlite":
        settings = StoreSettings(folder=tmp_path / "data")
    else:
        settings = StoreSettings(postgresql_url=SecretStr(request.getfixturevalue("empty_postgres")))
    databases = open_databases(settings)
    yield databases
    databases.close()


def run_setup(databases: Databases, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `idp setup` over these databases."""
    url = databases.settings.postgresql_url
    where = f'postgresql_url = "{url.get_secret_value()}"' if url else f'folder = "{databases.settings.folder}"'
    write_key_files(folder / "keys")
    config = folder / "idp.toml"
    config.write_text(f'[store]\n{where}\n[keys]\nfolder = "{folder / "keys"}"\n')
    monkeypatch.setenv("IDP_CONFIG", str(config))
    result = CliRunner().invoke(setup, catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_setup_upgrades_stored_databases_and_keeps_every_row(
    stored: StoredDatabases, empty: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.restore(empty)

    run_setup(empty, tmp_path, monkeypatch)

    require_migrated(empty)
    kept = rows_in(empty)
    for name, tables in stored.rows.items():
        for table, rows in tables.items():
            # A migration may add columns. One that removes a table or a column says so here.
            now = [{column: row[column] for column in rows[0]} for row in kept[name][table]] if rows else []
            assert now == rows, f"{name}.{table}"


def test_the_journal_of_a_stored_database_is_still_unbroken(
    stored: StoredDatabases, empty: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.restore(empty)

    run_setup(empty, tmp_path, monkeypatch)

    verdict = verify(empty)
    assert verdict.is_whole
    assert verdict.checked == len(stored.rows["identity"]["journal"]) > 0


def test_a_stored_migration_is_never_edited() -> None:
    now = digests()
    for file in STORED:
        for migration, digest in json.loads(file.read_text())["migrations"].items():
            assert now.get(migration) == digest, f"{migration} was released: write a new migration instead"


@pytest.mark.parametrize("name", ["identity", "sessions"])
def test_migrations_are_one_chain_numbered_without_gaps(name: str) -> None:
    """Two branches that both add 0002 must renumber theirs when they merge."""
    assert len(ScriptDirectory(str(MIGRATIONS / name)).get_heads()) == 1
    assert revisions(name) == [f"{number:04}" for number in range(1, len(revisions(name)) + 1)]
