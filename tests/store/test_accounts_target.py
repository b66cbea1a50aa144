"""Students' accounts as a target: opened, closed and read like any other, on both kinds of database."""

import pytest
from sqlalchemy import select, update

from idp.db.databases import Databases
from idp.errors import TargetRejected
from idp.keys.key_files import Keys
from idp.people.lock_queries import Lock, add_lock, remove_lock
from idp.people.tables import account
from idp.people.values import LockOwner
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Change, Entry, Outcome
from tests.support.students import SEEN, Student, add_student

ANNA = Student("a" * 20, album="1")
JAN = Student("b" * 20, album="2")


@pytest.fixture
def target(databases: Databases) -> AccountsTarget:
    return AccountsTarget(databases.identity)


def door(student: Student, *, is_open: bool) -> Entry:
    return Entry(student.person_id, student.uid, is_open, {})


def apply(target: AccountsTarget, *changes: Change) -> list[Outcome]:
    return list(target.apply(changes))


def epoch_of(databases: Databases, student: Student) -> int:
    with databases.identity.read() as connection:
        found: int = connection.execute(
            select(account.c.epoch).where(account.c.account_id == student.person_id)
        ).scalar_one()
    return found


def never_opened(databases: Databases, keys: Keys, student: Student) -> Student:
    """Add a student as an import does."""
    add_student(databases, keys, student)
    with databases.identity.write() as connection:
        connection.execute(
            update(account).where(account.c.account_id == student.person_id).values(enabled=False, epoch=0)
        )
    return student


def test_an_account_that_an_import_made_is_there_only_when_it_was_opened(
    databases: Databases, keys: Keys, target: AccountsTarget
) -> None:
    never_opened(databases, keys, ANNA)

    before = list(target.read())
    (outcome,) = apply(target, Change.create(door(ANNA, is_open=True)))

    assert (before, outcome.error) == ([], None)
    assert list(target.read()) == [door(ANNA, is_open=True)]
    assert epoch_of(databases, ANNA) == 1


def test_closing_ends_every_session_and_a_repeat_changes_nothing(
    databases: Databases, keys: Keys, target: AccountsTarget
) -> None:
    add_student(databases, keys, ANNA)
    closing = Change.update(door(ANNA, is_open=True), door(ANNA, is_open=False))

    outcomes = [*apply(target, closing), *apply(target, closing)]

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert list(target.read([ANNA.person_id])) == [door(ANNA, is_open=False)]
    assert epoch_of(databases, ANNA) == 2


def test_who_was_suspended_before_the_first_run_gets_a_closed_account(
    databases: Databases, keys: Keys, target: AccountsTarget
) -> None:
    never_opened(databases, keys, ANNA)

    apply(target, Change.create(door(ANNA, is_open=False)))

    assert list(target.read()) == [door(ANNA, is_open=False)]


def test_an_account_that_a_human_locked_is_not_opened(databases: Databases, keys: Keys, target: AccountsTarget) -> None:
    add_student(databases, keys, ANNA)
    add_student(databases, keys, JAN)
    apply(target, Change.update(door(ANNA, is_open=True), door(ANNA, is_open=False)))
    with databases.identity.write() as connection:
        assert add_lock(connection, Lock(ANNA.person_id, LockOwner.OPERATOR, "shell:root", "lost telephone", SEEN))
        assert not add_lock(connection, Lock(ANNA.person_id, LockOwner.OPERATOR, "shell:root", "again", SEEN))
    opening = Change.update(door(ANNA, is_open=False), door(ANNA, is_open=True))

    (refused,) = apply(target, opening)
    with databases.identity.write() as connection:
        assert remove_lock(connection, ANNA.person_id, LockOwner.OPERATOR)
    (opened,) = apply(target, opening)

    assert isinstance(refused.error, TargetRejected)
    assert opened.error is None


def test_accounts_are_never_removed_and_none_is_made_up(
    databases: Databases, keys: Keys, target: AccountsTarget
) -> None:
    add_student(databases, keys, ANNA)

    outcomes = apply(target, Change.remove(door(ANNA, is_open=True), "gone"), Change.create(door(JAN, is_open=True)))

    assert [type(outcome.error) for outcome in outcomes] == [TargetRejected, TargetRejected]
    assert list(target.read()) == [door(ANNA, is_open=True)]


def test_accounts_of_staff_are_opened_and_closed_like_all(
    databases: Databases, keys: Keys, target: AccountsTarget
) -> None:
    add_student(databases, keys, ANNA)
    with databases.identity.write() as connection:
        connection.execute(update(account).values(kind="staff", role="clerk"))

    assert list(target.read()) == [door(ANNA, is_open=True)]
    apply(target, Change.update(door(ANNA, is_open=True), door(ANNA, is_open=False)))
    assert list(target.read()) == [door(ANNA, is_open=False)]


def test_many_are_read_as_digests_that_equal_their_entries(
    databases: Databases, keys: Keys, target: AccountsTarget
) -> None:
    add_student(databases, keys, ANNA)
    add_student(databases, keys, JAN)

    assert sorted(target.digests()) == sorted((entry.person_id, entry.digest) for entry in target.read())
