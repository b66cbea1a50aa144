"""Records that change while a plan is made of them or somebody slow writes by them, on both kinds of database."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from idp.accounts.locks import lock_account, unlock_account
from idp.db.databases import Databases
from idp.db.locks import wait_for_lock
from idp.keys.key_files import Keys
from idp.people.change_queries import PersonChange, changes_among
from idp.people.settings import PeopleSettings
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_due, reconcile_person, sweep_live
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import LOCK, Recomputed, store
from idp.provisioning.records import PersonRecords
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.state_queries import states_among
from idp.provisioning.target import Target
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Change, Outcome
from idp.provisioning.writer import TargetWriter, Write
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_person, change_status, choose_mail_name, waiting
from tests.support.students import Student

ACTOR = shell("test")
ANNA, JAN = Student("a" * 20, album="1"), Student("b" * 20, album="2")


@dataclass
class SlowTarget(FaultyTarget):
    """A target in which something happens between the decision to write and the write."""

    before_writes: list[Callable[[], object]] = field(default_factory=list)  # once each

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        for change in changes:
            while self.before_writes:
                self.before_writes.pop()()
            yield from super().apply([change])


@pytest.fixture
def mail() -> SlowTarget:
    return SlowTarget("mail", attributes={"mail": "mail"})


@pytest.fixture
def directory() -> FaultyTarget:
    return FaultyTarget("surnames", attributes={"sn": "surname"})


@pytest.fixture
def provisioner(
    databases: Databases, keys: Keys, clock: ManualClock, mail: SlowTarget, directory: FaultyTarget
) -> Provisioner:
    """Anna and Jan are in every target."""
    add_students(databases, keys, [ANNA, JAN])
    targets: dict[str, Target] = {
        "accounts": AccountsTarget(databases.identity),
        "mail": mail,
        "surnames": directory,
    }
    made = Provisioner(databases, targets, PeopleSettings(), ProvisioningSettings(), ZONE, clock)
    assert apply_run(made, make_plan(made, ACTOR).run_id, ACTOR).is_complete
    return made


@dataclass(frozen=True)
class Records:
    """What somebody slow has read and not stored yet."""

    changes: dict[str, PersonChange]
    people: list[PersonRecords]

    def store(self, provisioner: Provisioner) -> Recomputed:
        ids = [str(seen.snapshot.person_id) for seen in self.people]
        return store(provisioner, ids, self.people, self.changes)


def records_of(provisioner: Provisioner, *students: Student) -> Records:
    ids = [student.person_id for student in students]
    with provisioner.databases.identity.read() as connection:
        changes = changes_among(connection, ids)
        return Records(changes, provisioner.load(connection, ids))


def desired_of(provisioner: Provisioner, student: Student) -> dict[str, str]:
    with provisioner.databases.identity.read() as connection:
        return {
            kind: states_among(connection, kind, [student.person_id])[student.person_id].desired
            for kind in provisioner.targets
        }


def is_open(provisioner: Provisioner, student: Student) -> dict[str, bool]:
    return {kind: next(iter(each.read([student.person_id]))).enabled for kind, each in provisioner.targets.items()}


EVERYWHERE = ("accounts", "mail", "surnames")
OPEN, SHUT = dict.fromkeys(EVERYWHERE, True), dict.fromkeys(EVERYWHERE, False)


def test_a_change_between_two_targets_parts_of_a_plan_is_carried_out(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    change_person(databases, ANNA.person_id, surname="Nowak")  # for the directory alone, which is planned last
    choose_mail_name(databases, JAN.person_id, "jan@student.po.edu.pl", "s2@student.po.edu.pl")
    # Of the accounts, nothing is planned; the directory's part then is of both changes.
    mail.meanwhile = [lambda: change_status(databases, ANNA.person_id, "suspended")]

    run = make_plan(provisioner, ACTOR)
    assert "accounts" not in {kind for kind, part in run.summary.items() if part.counts}
    assert apply_run(provisioner, run.run_id, ACTOR).is_complete
    reconcile_due(provisioner)

    assert (is_open(provisioner, ANNA), waiting(databases)) == (SHUT, 0)
    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0


def test_whoever_read_older_records_does_not_put_them_back_over_newer_ones(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    older = records_of(provisioner, ANNA)
    lock_account(databases, clock, ANNA.person_id, shell("boss"), "stolen password")
    reconcile_person(provisioner, ANNA.person_id)
    newer = desired_of(provisioner, ANNA)

    (seen,) = older.store(provisioner).people

    assert seen.snapshot.is_locked  # and so whoever goes on writes what stands
    assert (desired_of(provisioner, ANNA), is_open(provisioner, ANNA)) == (newer, SHUT)
    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0


def test_nor_where_the_newer_ones_ask_for_what_was_there_before(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    before = desired_of(provisioner, ANNA)
    lock_account(databases, clock, ANNA.person_id, shell("boss"), "stolen password")
    older = records_of(provisioner, ANNA)
    unlock_account(databases, clock, ANNA.person_id, shell("boss"))
    reconcile_person(provisioner, ANNA.person_id)

    older.store(provisioner)

    assert (desired_of(provisioner, ANNA), is_open(provisioner, ANNA)) == (before, OPEN)
    assert (waiting(databases), make_plan(provisioner, ACTOR, scope=Scope.ALL).changes) == (0, 0)


def test_only_those_are_read_again_whose_records_changed(provisioner: Provisioner, databases: Databases) -> None:
    change_person(databases, ANNA.person_id, surname="Nowak")
    change_person(databases, JAN.person_id, surname="Nowak")
    read = records_of(provisioner, ANNA, JAN)
    change_person(databases, JAN.person_id, surname="Kowal")

    anna, jan = read.store(provisioner).people

    assert anna is read.people[0]
    assert jan.snapshot.surname == "Kowal"


def test_what_is_desired_is_written_by_one_after_the_other(databases: Databases) -> None:
    order: list[str] = []

    def second() -> None:
        with databases.identity.write() as connection:
            wait_for_lock(connection, LOCK)
            order.append("second")

    with databases.identity.write() as connection:
        wait_for_lock(connection, LOCK)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)

    assert order == ["first", "second"]


def test_a_lock_that_a_write_of_a_run_overtakes_is_written_again_by_the_fast_lane(
    provisioner: Provisioner, databases: Databases, clock: ManualClock, mail: SlowTarget
) -> None:
    change_status(databases, ANNA.person_id, "suspended")
    assert apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR).is_complete
    change_status(databases, ANNA.person_id, "active")

    def lock() -> None:
        lock_account(databases, clock, ANNA.person_id, shell("boss"), "stolen password")
        reconcile_person(provisioner, ANNA.person_id)  # finds the entry shut, as it should be

    mail.before_writes = [lock]
    apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)
    assert is_open(provisioner, ANNA)["mail"]  # the write was on its way

    assert sweep_live(provisioner) == 1

    assert is_open(provisioner, ANNA) == SHUT


def test_nobody_is_removed_who_should_have_an_entry_by_now(provisioner: Provisioner, mail: SlowTarget) -> None:
    removal = Change.remove(mail.entries[ANNA.person_id], "closed for long")

    assert TargetWriter(provisioner, mail, "test").write([Write(removal)]) == []

    assert ANNA.person_id in mail.entries
