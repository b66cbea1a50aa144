"""Process locks: one process at a time, and what happens when the database ends the lock."""

import stat

import pytest
from sqlalchemy import text

from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.errors import Conflict

END = (
    "SELECT pg_terminate_backend(pid, 30000) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def lose_the_connection(databases: Databases) -> None:
    """End the connection that holds the lock, and return when it has ended."""
    if not databases.identity.is_sqlite:
        with databases.identity.write() as connection:
            assert connection.execute(text(END)).scalars().all() == [True]


def work(databases: Databases, result: str) -> str:
    with exclusive(databases, "registry-import"):
        lose_the_connection(databases)
        if result == "fails":
            raise ValueError("the work's own error")
        return result


def test_a_lost_lock_does_not_hide_the_result_of_the_work(databases: Databases) -> None:
    assert work(databases, "done") == "done"
    with pytest.raises(ValueError, match="own error"):
        work(databases, "fails")


def test_a_lock_is_free_after_the_block_and_only_then(databases: Databases) -> None:
    with exclusive(databases, "registry-import"), pytest.raises(Conflict), exclusive(databases, "registry-import"):
        pass

    with exclusive(databases, "registry-import"):
        pass


def test_only_we_can_read_the_file_of_a_lock(databases: Databases) -> None:
    with exclusive(databases, "registry-import"):
        files = list(databases.settings.folder.glob("registry-import.lock"))

    assert len(files) == (1 if databases.identity.is_sqlite else 0)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} <= {0o600}
