"""The databases themselves: transactions, and what the fixture promises."""

import pytest
from sqlalchemy import insert, select, text

from idp.db.databases import Databases
from idp.db.leases import lease


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
