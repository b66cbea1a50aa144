"""Attempts per album and day, counted for all processes together."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

from idp.accounts.attempt_queries import any_before, count_attempt, count_failure, failures_of, sweep
from idp.db.databases import Databases

DAY = date(2026, 10, 1)


def test_tries_are_counted_per_album_and_day(databases: Databases) -> None:
    with databases.sessions.write() as connection:
        counted = [
            count_attempt(connection, album, day)
            for album, day in [("1", DAY), ("1", DAY), ("2", DAY), ("1", date(2026, 10, 2))]
        ]

    assert counted == [1, 2, 1, 1]


def test_parallel_tries_are_all_counted(databases: Databases) -> None:
    def one(_: int) -> int:
        with databases.sessions.write() as connection:
            return count_attempt(connection, "1", DAY)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert sorted(pool.map(one, range(24))) == list(range(1, 25))


def test_failures_are_counted_per_network_and_day_and_forgotten_with_it(databases: Databases) -> None:
    def fail(_: int) -> None:
        with databases.sessions.write() as connection:
            count_failure(connection, "203.0.113.7/32", DAY)

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(fail, range(8)))
    with databases.sessions.write() as connection:
        assert failures_of(connection, "203.0.113.7/32", DAY) == 8
        assert failures_of(connection, "203.0.113.8/32", DAY) == 0
        assert any_before(connection, date(2026, 10, 2))
        assert sweep(connection, date(2026, 10, 2)) == 1
        assert failures_of(connection, "203.0.113.7/32", DAY) == 0


def test_past_days_are_forgotten(databases: Databases) -> None:
    with databases.sessions.write() as connection:
        count_attempt(connection, "1", DAY)
        assert not any_before(connection, DAY)
        assert sweep(connection, DAY) == 0
        assert any_before(connection, date(2026, 10, 2))
        assert sweep(connection, date(2026, 10, 2)) == 1
        assert count_attempt(connection, "1", DAY) == 1
