"""Accounts are found by what people type, and closing one is a new epoch."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.account_queries import Account, Key, find_account, load_account, set_enabled
from idp.people.tables import account, address
from tests.support.students import Student, add_student

CLAIMED = datetime(2026, 9, 20, tzinfo=UTC)


@pytest.fixture
def student(databases: Databases, keys: Keys) -> Student:
    anna = add_student(databases, keys, Student("p1", album="00123", claimed_at=CLAIMED))
    add_student(databases, keys, Student("p2", album="777"))
    with databases.identity.write() as connection:
        rows = [("anna.nowak@student.po.edu.pl", "primary"), ("s00123@student.po.edu.pl", "alias"), ("old@x", "former")]
        for text, kind in rows:
            connection.execute(insert(address).values(address=text, person_id="p1", kind=kind, since=CLAIMED))
        connection.execute(
            insert(account).values(
                account_id="c1",
                kind="staff",
                uid="uclerk222",
                role="clerk",
                display_name="Ewa Clerk",
                mail="ewa@po.edu.pl",
                enabled=True,
                epoch=3,
                claimed_at=CLAIMED,
                language="en",
                created_at=CLAIMED,
            )
        )
    return anna


def found(databases: Databases, key: Key, value: str) -> Account | None:
    with databases.identity.read() as connection:
        return find_account(connection, key, value)


def found_id(databases: Databases, key: Key, value: str) -> str | None:
    one = found(databases, key, value)
    return one.account_id if one else None


def test_an_account_is_found_by_every_name_of_its_owner(databases: Databases, student: Student) -> None:
    assert found_id(databases, Key.UID, student.uid) == "p1"
    assert found_id(databases, Key.ALBUM, "00123") == "p1"
    assert found_id(databases, Key.ALBUM, "123") == "p1"
    assert found_id(databases, Key.MAIL, "anna.nowak@student.po.edu.pl") == "p1"
    assert found_id(databases, Key.MAIL, "s00123@student.po.edu.pl") == "p1"
    assert found_id(databases, Key.MAIL, "old@x") == "p1"
    assert found_id(databases, Key.MAIL, "ewa@po.edu.pl") == "c1"


def test_nobody_is_found_by_another_name(databases: Databases, student: Student) -> None:
    assert found_id(databases, Key.UID, "unobody22") is None
    assert found_id(databases, Key.ALBUM, "124") is None
    assert found_id(databases, Key.MAIL, "zaneta@example.org") is None  # the enrolment address signs nobody in


def test_an_account_says_whether_it_was_claimed(databases: Databases, student: Student) -> None:
    anna, other = found(databases, Key.ALBUM, "123"), found(databases, Key.ALBUM, "777")

    assert anna is not None
    assert anna.is_claimed
    assert other is not None
    assert not other.is_claimed


def test_closing_an_account_raises_its_epoch_once(databases: Databases, student: Student) -> None:
    with databases.identity.write() as connection:
        assert set_enabled(connection, "p1", False)
        assert not set_enabled(connection, "p1", False)
        closed = load_account(connection, "p1")

    assert closed is not None
    assert (closed.enabled, closed.epoch) == (False, 2)
