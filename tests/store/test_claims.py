"""Claims and staff accounts in the store, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import IntegrityError

from idp.accounts.claim_queries import claimable_by_album, claimable_by_id, mark_claimed
from idp.accounts.staff_queries import (
    StaffAccount,
    add_invited,
    invite_again,
    list_staff,
    mark_joined,
    staff_by_id,
    staff_by_mail,
)
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from tests.support.students import Student, add_student

AT = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)
CLERK = StaffAccount("a1", "u2345678b", "clerk", "anna@po.edu.pl", "anna@po.edu.pl", False, None, AT, "i1")


def test_a_person_is_found_by_the_album_number_without_its_zeros(databases: Databases, keys: Keys) -> None:
    add_student(databases, keys, Student("p1", album="00123"))

    with databases.identity.read() as connection:
        found = claimable_by_album(connection, "123")
        assert found is not None
        assert found == claimable_by_id(connection, "p1")
        assert (found.album, found.enabled, found.claimed_at) == ("00123", True, None)
        assert claimable_by_album(connection, "00123") is None


def test_whoever_has_no_album_number_cannot_be_claimed(databases: Databases, keys: Keys) -> None:
    add_student(databases, keys, Student("p1", album=None))

    with databases.identity.read() as connection:
        assert claimable_by_id(connection, "p1") is None


def test_of_parallel_claims_one_is_marked(databases: Databases, keys: Keys) -> None:
    add_student(databases, keys, Student("p1"))

    def mark(_: int) -> bool:
        with databases.identity.write() as connection:
            return mark_claimed(connection, "p1", "en", AT)

    with ThreadPoolExecutor(max_workers=6) as pool:
        assert sum(pool.map(mark, range(6))) == 1


def test_a_closed_account_is_not_marked(databases: Databases, keys: Keys) -> None:
    add_student(databases, keys, Student("p1", enabled=False))

    with databases.identity.write() as connection:
        assert not mark_claimed(connection, "p1", "en", AT)


def test_an_invited_member_of_staff_is_found_and_joins_once(databases: Databases) -> None:
    with databases.identity.write() as connection:
        add_invited(connection, CLERK, "pl")
        again = invite_again(connection, "a1", "operator", "i2")
    assert again is not None
    with databases.identity.write() as connection:
        assert not mark_joined(connection, CLERK, "Anna Nowak", "en", AT)  # by the link of the first invitation
        assert mark_joined(connection, again, "Anna Nowak", "en", AT)
        assert not mark_joined(connection, again, "Anna Nowak", "en", AT)
        assert invite_again(connection, "a1", "administrator", "i3") is None

    with databases.identity.read() as connection:
        (found,) = list_staff(connection)
        assert found == staff_by_mail(connection, "anna@po.edu.pl") == staff_by_id(connection, "a1")
    assert (found.role, found.display_name, found.joined_at) == ("operator", "Anna Nowak", AT)


def test_a_students_account_is_no_staff_account(databases: Databases, keys: Keys) -> None:
    add_student(databases, keys, Student("p1"))

    with databases.identity.write() as connection:
        assert staff_by_id(connection, "p1") is None
        assert invite_again(connection, "p1", "clerk", "i2") is None
        assert not mark_joined(connection, replace(CLERK, account_id="p1"), "Anna", "pl", AT)


def test_two_members_of_staff_cannot_have_one_mail_address(databases: Databases) -> None:
    other = StaffAccount("a2", "u2345678c", "clerk", "x", CLERK.mail, False, None, AT, "i9")
    with databases.identity.write() as connection:
        add_invited(connection, CLERK, "pl")

    with pytest.raises(IntegrityError), databases.identity.write() as connection:
        add_invited(connection, other, "pl")
