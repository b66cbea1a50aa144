"""`idp setup`: keys and databases are made once, and never new keys beside people."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases, open_databases
from idp.db.settings import StoreSettings
from idp.errors import ConfigError, StoreUnavailable
from idp.keys.key_files import Keys
from tests.support.students import Student, add_student
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, directory, monkeypatch)


@pytest.fixture
def databases(terminal: Terminal, tmp_path: Path) -> Iterator[Databases]:
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    yield databases
    databases.close()


def test_keys_that_are_missing_beside_people_are_not_made_anew(
    terminal: Terminal, databases: Databases, keys: Keys, tmp_path: Path
) -> None:
    add_student(databases, keys, Student("p1"))
    key = tmp_path / "keys" / "matching.0001.key"
    key.unlink()

    error = terminal.error("setup")

    assert isinstance(error, ConfigError)
    assert str(error) == "the database has 1 person, but no key for matching: restore it from backup."
    assert not key.exists()


def test_a_database_that_does_not_do_what_is_asked_is_an_error_of_ours(
    terminal: Terminal, databases: Databases
) -> None:
    with databases.identity.write() as connection:
        connection.exec_driver_sql("DROP TABLE finding")
        connection.exec_driver_sql("DROP TABLE run")

    error = terminal.error("runs", "list")

    assert isinstance(error, StoreUnavailable)
    assert "no such table" in str(error)
