"""Leases: one holder at a time, in either database, until it ends or runs out."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from idp.db.databases import Database, Databases
from idp.db.leases import acquire, release, remaining_s

NAME = "claim:p1"


@pytest.fixture(params=["identity", "sessions"])
def database(request: pytest.FixtureRequest, databases: Databases) -> Database:
    found: Database = getattr(databases, request.param)
    return found


def test_of_many_who_try_one_has_the_lease(database: Database) -> None:
    def one(number: int) -> bool:
        with database.write() as connection:
            return acquire(connection, NAME, f"w{number}", now=100.0, expires_at=160.0)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert sum(pool.map(one, range(8))) == 1


def test_a_lease_is_renewed_by_its_holder_and_reclaimed_when_it_runs_out(database: Database) -> None:
    with database.write() as connection:
        assert acquire(connection, NAME, "w1", now=100.0, expires_at=160.0)
        assert not acquire(connection, NAME, "w2", now=159.0, expires_at=200.0)
        assert acquire(connection, NAME, "w1", now=159.0, expires_at=180.0)
        assert remaining_s(connection, NAME, "w1", now=170.0) == 10.0
        assert acquire(connection, NAME, "w2", now=180.0, expires_at=240.0)
        assert remaining_s(connection, NAME, "w1", now=181.0) == 0.0


def test_only_the_holder_can_release_a_lease(database: Database) -> None:
    with database.write() as connection:
        assert acquire(connection, NAME, "w1", now=100.0, expires_at=160.0)
        release(connection, NAME, "w2")
        assert not acquire(connection, NAME, "w2", now=101.0, expires_at=160.0)
        release(connection, NAME, "w1")
        assert acquire(connection, NAME, "w2", now=101.0, expires_at=160.0)
