"""One person at once, and what the worker repairs, over a real directory."""

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.audit import event_types
from idp.db.databases import Databases
from idp.errors import NotFound, TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.people.values import Priority
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_due, reconcile_person
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import LimitSettings
from idp.provisioning.state_queries import due_work
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.provisioning import (
    Eyes,
    add_students,
    change_person,
    change_status,
    choose_mail_name,
    make_provisioner,
    mark,
    waiting,
)
from tests.support.students import Student
from tests.support.workers import events_of

ANNA = Student("a" * 32, album="123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 32, album="200", given_name="Jan", surname="Beek")
MAIL, ALIAS = "anna.kowalska@student.po.edu.pl", "s123@student.po.edu.pl"


def test_a_person_is_made_and_a_repeat_is_harmless(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])

    reconcile_person(provisioner, ANNA.person_id)
    reconcile_person(provisioner, ANNA.person_id)

    assert eyes.value(ANNA.uid, "cn") == "Anna Kowalska"
    assert eyes.entry(JAN.uid) is None
    assert waiting(databases) == 1  # Jan, of whom nobody asked


def test_a_chosen_mail_name_is_there_at_once(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    reconcile_person(provisioner, ANNA.person_id)
    choose_mail_name(databases, ANNA.person_id, MAIL, ALIAS)

    reconcile_person(provisioner, ANNA.person_id)

    entry = eyes.entry(ANNA.uid)
    assert entry is not None
    assert (entry.values("mail"), set(entry.values("mailLocalAddress"))) == ((MAIL,), {MAIL, ALIAS})
    assert waiting(databases) == 0
    assert make_plan(provisioner, shell("test")).changes == 0


def test_what_failed_while_the_directory_was_down_is_repaired_by_the_worker(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd, clock: ManualClock
) -> None:
    add_students(databases, keys, [ANNA])
    reconcile_person(provisioner, ANNA.person_id)
    choose_mail_name(databases, ANNA.person_id, MAIL, ALIAS)
    directory.stop()
    with pytest.raises(TargetUnavailable):
        reconcile_person(provisioner, ANNA.person_id)
    assert reconcile_due(provisioner) == 0
    directory.restart()

    assert reconcile_due(provisioner) == 0  # put off: not asked again and again
    clock.advance(provisioner.settings.retry_s + 1)
    assert reconcile_due(provisioner) == 1

    assert eyes.value(ANNA.uid, "mail") == MAIL
    assert waiting(databases) == 0


def test_a_few_people_of_an_import_are_brought_true_by_the_worker(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])

    assert reconcile_due(provisioner) == 2
    change_person(databases, JAN.person_id, surname="Nowak")
    assert reconcile_due(provisioner) == 1

    assert eyes.value(JAN.uid, "sn") == "Nowak"
    assert (waiting(databases), reconcile_due(provisioner)) == (0, 0)


def test_a_few_people_of_an_import_are_written_within_a_minute_of_an_outage_of_whatever_length(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd, clock: ManualClock
) -> None:
    add_students(databases, keys, [ANNA])
    directory.stop()
    ends_at = clock.timestamp() + 1800
    while clock.timestamp() < ends_at:
        assert reconcile_due(provisioner) == 0
        clock.advance(10)

    directory.restart()
    back_at = clock.timestamp()
    while not reconcile_due(provisioner):
        clock.advance(1)
        assert clock.timestamp() < back_at + 60

    assert eyes.value(ANNA.uid, "sn") == ANNA.surname


def test_many_people_of_an_import_wait_for_a_run(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    provisioner = make_provisioner(databases, directory, clock, sweep_people=1)
    add_students(databases, keys, [ANNA, JAN])

    assert reconcile_due(provisioner) == 0
    assert eyes.entry(ANNA.uid) is None
    assert apply_run(provisioner, make_plan(provisioner, shell("test")).run_id, shell("test")).is_complete
    assert waiting(databases) == 0
    provisioner.close()


def test_the_worker_keeps_to_the_limits(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    provisioner = make_provisioner(databases, directory, clock, LimitSettings(disable_share=0, disable_floor=1))
    add_students(databases, keys, [ANNA, JAN])
    reconcile_due(provisioner)
    for student in (ANNA, JAN):
        change_status(databases, student.person_id, "suspended")

    assert reconcile_due(provisioner) == 0
    assert eyes.value(ANNA.uid, "idpStatus") == "active"
    assert waiting(databases) == 2
    provisioner.close()


def test_a_suspension_that_comes_from_the_records_is_left_for_a_guarded_run(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    provisioner = make_provisioner(databases, directory, clock, LimitSettings(disable_count=0))
    add_students(databases, keys, [ANNA])
    reconcile_person(provisioner, ANNA.person_id)
    change_status(databases, ANNA.person_id, "suspended")
    change_person(databases, ANNA.person_id, surname="Nowak")
    mark(databases, [ANNA.person_id], live=True)  # by an act of her own, such as a choice of a mail name
    before, written = eyes.entry(ANNA.uid, ["*", "+"]), events_of(databases, event_types.TARGET_CHANGED, "")

    reconcile_person(provisioner, ANNA.person_id)

    assert eyes.entry(ANNA.uid, ["*", "+"]) == before
    assert events_of(databases, event_types.TARGET_CHANGED, "") == written
    with databases.identity.read() as connection:
        now = provisioner.clock.now()
        assert due_work(connection, ["ldap"], Priority.LIVE, now, 9) == []
        assert due_work(connection, ["ldap"], Priority.BULK, now, 9) == [ANNA.person_id]
    assert reconcile_due(provisioner) == 0  # it is over the limit, and waits for people
    assert eyes.entry(ANNA.uid, ["*", "+"]) == before
    provisioner.close()


def test_a_loss_of_student_rights_that_comes_from_the_records_is_left_for_a_guarded_run(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    provisioner = make_provisioner(databases, directory, clock)
    add_students(databases, keys, [ANNA])
    reconcile_person(provisioner, ANNA.person_id)
    change_status(databases, ANNA.person_id, "cancelled", clock.now().date())  # access stays for the days of grace
    mark(databases, [ANNA.person_id], live=True)

    reconcile_person(provisioner, ANNA.person_id)

    entry = eyes.entry(ANNA.uid, ["eduPersonAffiliation"])
    assert entry is not None
    assert "student" in entry.values("eduPersonAffiliation")
    with databases.identity.read() as connection:
        assert due_work(connection, ["ldap"], Priority.BULK, provisioner.clock.now(), 9) == [ANNA.person_id]
    provisioner.close()


def test_a_crowd_of_an_import_does_not_hold_up_a_persons_own_act(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    provisioner = make_provisioner(databases, directory, clock, sweep_people=1)
    add_students(databases, keys, [ANNA, JAN, Student("c" * 32, album="300")])
    mark(databases, [ANNA.person_id], live=True)

    assert reconcile_due(provisioner) == 1
    assert eyes.value(ANNA.uid, "cn") == "Anna Kowalska"
    provisioner.close()


def test_a_name_that_another_entry_holds_is_refused_and_the_entry_stays(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    taken = directory.settings.person_dn(ANNA.uid)
    eyes.directory.add(taken, {"objectClass": ["inetOrgPerson"], "cn": ["Guest"], "sn": ["Guest"], "uid": [ANNA.uid]})
    add_students(databases, keys, [ANNA])

    with pytest.raises(TargetRejected):
        reconcile_person(provisioner, ANNA.person_id)
    assert eyes.value(ANNA.uid, "cn") == "Guest"


def test_a_claim_needs_the_directory_alone_and_leaves_other_targets_to_the_worker(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    other = FaultyTarget(is_away=True)
    provisioner = make_provisioner(databases, directory, clock, others={"faulty": other})
    add_students(databases, keys, [ANNA], live=True)

    reconcile_person(provisioner, ANNA.person_id, needed={"ldap"})
    assert (eyes.value(ANNA.uid, "cn"), waiting(databases)) == ("Anna Kowalska", 1)
    with pytest.raises(TargetUnavailable):
        reconcile_person(provisioner, ANNA.person_id, needed={"faulty"})
    reconcile_person(provisioner, ANNA.person_id, needed={"ldap"})
    assert waiting(databases) == 1  # still for the worker

    other.is_away = False
    clock.advance(60)
    assert (reconcile_due(provisioner), waiting(databases)) == (1, 0)
    assert list(other.entries) == [ANNA.person_id]
    provisioner.close()


def test_nobody_is_brought_true_who_is_not_known(provisioner: Provisioner) -> None:
    with pytest.raises(NotFound):
        reconcile_person(provisioner, "f" * 32)
