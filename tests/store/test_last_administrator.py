"""Nobody disables the last administrator, whatever asks for it; on both kinds of database."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.account_queries import ADMINISTRATOR, administrators
from idp.people.lock_queries import Lock, add_lock
from idp.people.settings import PeopleSettings
from idp.people.tables import account
from idp.people.values import LockOwner
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run
from idp.provisioning.live import sweep_live
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.target import Target
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Change, Outcome
from idp.provisioning.writer import TargetWriter, write_of
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import NO_LIMITS, add_students, change_status, mark
from tests.support.students import SEEN, Student

ACTOR = shell("test")
ANNA, JAN, EWA = (Student(letter * 20, album=str(number)) for number, letter in enumerate("abc", start=1))


@pytest.fixture
def mail() -> FaultyTarget:
    return FaultyTarget("mail", attributes={"sn": "surname"})


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, mail: FaultyTarget) -> Provisioner:
    """Three people who study; then the records close all of them."""
    add_students(databases, keys, [ANNA, JAN, EWA])
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "mail": mail}
    settings = ProvisioningSettings(canary=0, limits=NO_LIMITS)
    made = Provisioner(databases, targets, PeopleSettings(), settings, ZONE, clock)
    assert apply_run(made, make_plan(made, ACTOR).run_id, ACTOR).is_complete
    for student in (ANNA, JAN, EWA):
        change_status(databases, student.person_id, "suspended")
    return made


def appoint(databases: Databases, *students: Student) -> None:
    with databases.identity.write() as connection:
        some = account.c.account_id.in_([student.person_id for student in students])
        values = {"role": ADMINISTRATOR, "claimed_at": datetime(2026, 1, 1, tzinfo=UTC)}
        connection.execute(update(account).where(some).values(values))


@pytest.mark.parametrize("administrators", [(ANNA,), (ANNA, JAN)])
def test_a_run_disables_everybody_but_the_last_administrators(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget, administrators: tuple[Student, ...]
) -> None:
    appoint(databases, *administrators)

    result = apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)

    kept = {student.person_id for student in administrators}
    for target in provisioner.targets.values():
        assert {entry.person_id for entry in target.read() if entry.enabled} == kept
    assert (result.done, result.rejected) == (2 * (3 - len(kept)), 2 * len(kept))


@dataclass(frozen=True, slots=True)
class OvertakenAccounts(AccountsTarget):
    """Our accounts, and what another process does before our changes are made."""

    acts: list[Callable[[], object]]

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        while self.acts:
            self.acts.pop()()
        return AccountsTarget.apply(self, changes)


def test_two_writers_at_once_leave_one_administrator(provisioner: Provisioner, databases: Databases) -> None:
    appoint(databases, ANNA, JAN)
    run = make_plan(provisioner, ACTOR)
    rows = provisioner.read(run_queries.changes_of, run.run_id, target="accounts")
    anna, jan = ([write_of(row)] for row in rows if row.person_id != EWA.person_id)
    other = TargetWriter(provisioner, provisioner.targets["accounts"], "other", run)
    ours = OvertakenAccounts(databases.identity, [lambda: other.write(jan)])

    ((_, outcome),) = TargetWriter(provisioner, ours, "ours", run).write(anna)

    assert outcome.error is not None
    assert "last administrator" in str(outcome.error)
    with databases.identity.read() as connection:
        assert administrators(connection) == {ANNA.person_id}


def test_who_is_not_the_last_administrator_is_disabled(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    appoint(databases, ANNA, JAN)
    change_status(databases, JAN.person_id, "active")

    assert apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR).is_complete

    assert {person_id for person_id, entry in mail.entries.items() if entry.enabled} == {JAN.person_id}


def test_the_worker_goes_on_with_people_after_the_last_administrator(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    appoint(databases, ANNA)
    for student in (ANNA, JAN):
        change_status(databases, student.person_id, "active")
        with databases.identity.write() as connection:
            add_lock(connection, Lock(student.person_id, LockOwner.OPERATOR, "shell:root", "lost telephone", SEEN))
        mark(databases, [student.person_id], live=True)

    sweep_live(provisioner)

    assert [mail.entries[student.person_id].enabled for student in (ANNA, JAN)] == [True, False]
