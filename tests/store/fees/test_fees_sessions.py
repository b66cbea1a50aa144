"""Signed-in browsers."""

from sqlalchemy import func, select

from idp.fees import sessions, tables
from idp.fees.database import Database
from idp.fees.values import Session

NOW = 1_000_000.0


def started(database: Database, ticket: str = "ST-1", now: float = NOW) -> str:
    with database.write() as connection:
        return sessions.start(connection, ticket, "u23456789", "12345", now, lifetime_s=60)


def found(database: Database, token: str, now: float = NOW) -> Session | None:
    with database.read() as connection:
        return sessions.find(connection, token, now)


def test_a_session_is_found_by_its_token_until_it_expires(database: Database) -> None:
    token = started(database)

    assert found(database, token, NOW + 59) == Session("u23456789", "12345")
    assert found(database, token, NOW + 60) is None
    assert found(database, "another") is None


def test_neither_token_nor_ticket_stands_in_the_database(database: Database) -> None:
    token = started(database, "ST-secret")

    with database.read() as connection:
        texts = " ".join(str(value) for row in connection.execute(select(tables.session)) for value in row)
    assert token not in texts
    assert "ST-secret" not in texts


def test_a_session_ends_by_its_token_or_by_its_ticket_and_only_once(database: Database) -> None:
    one, other = started(database, "ST-1"), started(database, "ST-2")

    with database.write() as connection:
        assert sessions.end(connection, one) is not None
        assert sessions.end(connection, one) is None
        assert sessions.end_by_ticket(connection, "ST-1") is None
        assert sessions.end_by_ticket(connection, "ST-2") is not None

    assert found(database, one) is None
    assert found(database, other) is None


def test_expired_sessions_go_when_somebody_signs_in(database: Database) -> None:
    started(database, "ST-1")

    started(database, "ST-2", now=NOW + 61)

    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.session)) == 1
