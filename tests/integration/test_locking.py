"""A human closes an account: at once, everywhere, and whatever the records say afterwards."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.accounts.locks import end_locks, lock_account
from idp.app.installation import Idp
from idp.app.settings import load_settings
from idp.clock import Clock
from idp.errors import InvalidInput, NotFound
from idp.people.account_queries import load_account
from idp.people.values import LockOwner
from idp.permissions import Actor
from tests.support.actors import SHELL
from tests.support.clock import ManualClock
from tests.support.installation import installed
from tests.support.provisioning import Eyes, add_students, change_person, change_status
from tests.support.slapd_faults import frozen
from tests.support.students import Student
from tests.support.terminal import Terminal
from tests.support.workers import until

ANNA = Student("a" * 20, album="123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 20, album="200", given_name="Jan", surname="Beek")


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, directory, monkeypatch)


@pytest.fixture
def installation(terminal: Terminal) -> Iterator[Idp]:
    with installed(load_settings(), Clock()) as opened:
        add_students(opened.databases, opened.keys, [ANNA, JAN])
        terminal.run("apply")
        yield opened


def is_open(installation: Idp, student: Student) -> bool:
    with installation.databases.identity.read() as connection:
        account = load_account(connection, student.person_id)
    assert account is not None
    return account.enabled


def test_a_locked_account_is_closed_everywhere_and_no_import_opens_it(
    terminal: Terminal, installation: Idp, eyes: Eyes
) -> None:
    terminal.run("accounts", "lock", ANNA.uid, "--reason", "lost telephone")

    assert (is_open(installation, ANNA), is_open(installation, JAN)) == (False, True)
    assert eyes.value(ANNA.uid, "idpStatus") == "suspended"
    assert eyes.value(ANNA.uid, "pwdAccountLockedTime") == "000001010000Z"
    assert "lost telephone" in terminal.run("accounts", "locked")

    change_person(installation.databases, ANNA.person_id, surname="Nowak")
    change_status(installation.databases, ANNA.person_id, "active")
    terminal.run("apply")

    assert is_open(installation, ANNA) is False
    assert (eyes.value(ANNA.uid, "sn"), eyes.value(ANNA.uid, "idpStatus")) == ("Nowak", "suspended")


def test_an_unknown_name_is_not_found(terminal: Terminal) -> None:
    for word in (("lock", "--reason", "lost telephone"), ("unlock",)):
        assert isinstance(terminal.error("accounts", *word, "nobody9"), NotFound)
    assert isinstance(terminal.error("runs", "show", "999"), NotFound)


def test_whoever_is_not_found_is_searched_for_by_name(terminal: Terminal) -> None:
    for words in (("accounts", "unlock"), ("sessions", "list"), ("explain", "person"), ("drift", "drop")):
        assert "idp people find NAME" in str(terminal.error(*words, "nobody9"))


def test_a_lock_that_would_end_at_once_is_refused(terminal: Terminal, installation: Idp) -> None:
    said = terminal.result("accounts", "lock", ANNA.uid, "--reason", "lost telephone", "--until", "2020-01-01")

    assert said.exit_code == 2
    assert "--until 2020-01-01 is not in the future" in said.stderr
    assert is_open(installation, ANNA) is True


def test_an_unlocked_account_is_as_the_records_say(terminal: Terminal, installation: Idp, eyes: Eyes) -> None:
    for student in (ANNA, JAN):
        terminal.run("accounts", "lock", student.uid, "--reason", "asked for by phone")
    change_status(installation.databases, JAN.person_id, "suspended")

    assert "is enabled" in terminal.run("accounts", "unlock", ANNA.uid)
    assert "is disabled" in terminal.run("accounts", "unlock", JAN.uid)

    assert eyes.value(ANNA.uid, "idpStatus") == "active"
    assert eyes.value(ANNA.uid, "pwdAccountLockedTime") is None
    assert eyes.value(JAN.uid, "idpStatus") == "suspended"
    assert "Nobody is locked" in terminal.run("accounts", "locked")


def test_a_directory_that_is_away_does_not_keep_the_door_open(
    terminal: Terminal, installation: Idp, directory: PrivateSlapd
) -> None:
    directory.stop()

    said = terminal.result("accounts", "lock", ANNA.uid, "--reason", "stolen password")

    assert said.exit_code == 0
    assert "The worker tries again" in said.stderr
    assert is_open(installation, ANNA) is False


def test_a_persons_own_act_does_not_carry_out_what_an_import_says_of_them(
    terminal: Terminal, installation: Idp, eyes: Eyes
) -> None:
    change_status(installation.databases, ANNA.person_id, "suspended")

    installation.reconcile_person(ANNA.person_id)
    between = (is_open(installation, ANNA), eyes.value(ANNA.uid, "idpStatus"))
    terminal.run("apply")

    assert between == (True, "active")
    assert (is_open(installation, ANNA), eyes.value(ANNA.uid, "idpStatus")) == (False, "suspended")


def test_each_owner_removes_their_own_lock_alone(terminal: Terminal, installation: Idp) -> None:
    databases, clock = installation.databases, installation.clock
    terminal.run("accounts", "lock", ANNA.uid, "--reason", "stolen password")
    lock_account(databases, clock, ANNA.person_id, Actor(ANNA.person_id, None), "telephone lost", LockOwner.SELF)

    assert "still locked by: self" in terminal.run("accounts", "unlock", ANNA.uid)
    assert not is_open(installation, ANNA)
    assert isinstance(terminal.error("accounts", "unlock", ANNA.uid), NotFound)

    assert "is enabled" in terminal.run("accounts", "unlock", ANNA.uid, "--owner", "self")
    assert is_open(installation, ANNA)


def test_a_lock_that_would_have_ended_already_is_refused(installation: Idp) -> None:
    databases, clock = installation.databases, installation.clock

    with pytest.raises(InvalidInput, match="later day"):
        lock_account(databases, clock, ANNA.person_id, SHELL, "exam", ends_at=clock.now())

    assert is_open(installation, ANNA)


def test_a_lock_that_ends_by_time_opens_the_account_again(terminal: Terminal, installation: Idp, eyes: Eyes) -> None:
    databases, now = installation.databases, installation.clock.now()
    terminal.run("accounts", "lock", ANNA.uid, "--reason", "exam", "--until", f"{now + timedelta(days=2):%Y-%m-%d}")
    (lock,) = terminal.json("accounts", "locked")

    assert end_locks(databases, ManualClock(now + timedelta(hours=1))) == 0
    assert end_locks(databases, ManualClock(now + timedelta(days=3))) == 1
    terminal.run("apply")

    assert lock["owner"] == "operator"
    assert is_open(installation, ANNA)
    assert eyes.value(ANNA.uid, "pwdAccountLockedTime") is None
    (event,) = terminal.json("audit", "--kind", "account.unlocked")
    assert event["reason"] == "ended"


def test_a_target_that_recovers_before_anything_is_written_there_is_no_problem(
    terminal: Terminal, installation: Idp, directory: PrivateSlapd
) -> None:
    with frozen(directory):
        terminal.run("accounts", "lock", ANNA.uid, "--reason", "stolen password")
        terminal.run("accounts", "unlock", ANNA.uid)
        assert "Target ldap does not answer: " in terminal.result("status", "--check").stdout
    until(lambda: terminal.result("drift").exit_code == 0, 30)
    until(lambda: terminal.json("status")["targets"]["ldap"]["pending"] == 0, 30)

    assert "ldap" not in terminal.result("status", "--check").stdout


def test_a_second_lock_of_the_same_owner_replaces_the_first_one(terminal: Terminal, installation: Idp) -> None:
    terminal.run("accounts", "lock", ANNA.uid, "--reason", "lost telephone")
    end = f"{installation.clock.now() + timedelta(days=2):%Y-%m-%d}"
    terminal.run("accounts", "lock", ANNA.uid, "--reason", "stolen password", "--until", end)

    (lock,) = terminal.json("accounts", "locked")
    assert (lock["uid"], lock["name"], lock["reason"]) == (ANNA.uid, "Anna Kowalska", "stolen password")
    assert lock["ends_at"] is not None
    events = terminal.json("audit", "--kind", "account.locked")
    assert sorted((event["reason"], event["data"]["replaced"]) for event in events) == [
        ("lost telephone", False),
        ("stolen password", True),
    ]
    assert not is_open(installation, ANNA)
    assert "is enabled" in terminal.run("accounts", "unlock", ANNA.uid)
