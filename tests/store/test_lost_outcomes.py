"""Writes of which nobody heard how they ended, on both kinds of database; others go on meanwhile."""

import pytest

from idp.accounts.locks import lock_account, unlock_account
from idp.audit import event_types
from idp.db.databases import Databases
from idp.errors import TargetUnavailable
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.provisioning.executor import apply_run, begin, result_of
from idp.provisioning.live import reconcile_due, reconcile_person
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Runner, RunState
from idp.provisioning.run_steps import cancel, request
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.target import Target
from idp.provisioning.targets.accounts import AccountsTarget
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import LostResponseTarget
from tests.support.imports import ZONE
from tests.support.provisioning import NO_LIMITS, add_students, change_person, change_status
from tests.support.rounds import rounds_for
from tests.support.students import Student
from tests.support.workers import events_of

ACTOR = shell("test")
ANNA, JAN = Student("a" * 20, album="1"), Student("b" * 20, album="2")


@pytest.fixture
def mail() -> LostResponseTarget:
    return LostResponseTarget("mail")


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, mail: LostResponseTarget) -> Provisioner:
    """Anna and Jan are in both targets; nobody is tried first."""
    add_students(databases, keys, [ANNA, JAN])
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "mail": mail}
    settings = ProvisioningSettings(canary=0, limits=NO_LIMITS)
    made = Provisioner(databases, targets, PeopleSettings(), settings, ZONE, clock)
    assert apply_run(made, make_plan(made, ACTOR).run_id, ACTOR).is_complete
    return made


def is_open(provisioner: Provisioner, student: Student) -> set[bool]:
    """Return what the targets say: one answer when they agree."""
    return {next(iter(target.read([student.person_id]))).enabled for target in provisioner.targets.values()}


@pytest.mark.parametrize(("status", "mended"), [("suspended", "active"), ("active", "suspended")])
def test_a_file_that_is_mended_before_the_outcome_is_known_is_obeyed(
    provisioner: Provisioner, databases: Databases, mail: LostResponseTarget, status: str, mended: str
) -> None:
    change_status(databases, ANNA.person_id, mended)
    run = make_plan(provisioner, ACTOR)
    assert apply_run(provisioner, run.run_id, ACTOR).is_complete
    change_status(databases, ANNA.person_id, status)
    wrong = make_plan(provisioner, ACTOR)
    mail.loses_responses = True
    with pytest.raises(TargetUnavailable):
        apply_run(provisioner, wrong.run_id, ACTOR)

    change_status(databases, ANNA.person_id, mended)
    mail.comes_back()
    rounds_for(provisioner, 120)
    reconcile_due(provisioner)

    assert is_open(provisioner, ANNA) == {mended == "active"}


def test_what_an_undo_does_not_know_of_is_found_by_the_next_plan(
    provisioner: Provisioner, databases: Databases, mail: LostResponseTarget
) -> None:
    for student in (ANNA, JAN):
        change_person(databases, student.person_id, surname="Nowak")
    wrong = make_plan(provisioner, ACTOR)
    mail.loses_responses = True
    with pytest.raises(TargetUnavailable):
        apply_run(provisioner, wrong.run_id, ACTOR)
    cancel(provisioner, wrong.run_id, ACTOR)
    mail.comes_back()
    for student in (ANNA, JAN):
        change_person(databases, student.person_id, surname=student.surname)

    run = make_plan(provisioner, ACTOR)
    assert apply_run(provisioner, run.run_id, ACTOR).is_complete

    assert {mail.entries[student.person_id].attributes["sn"] for student in (ANNA, JAN)} == {(ANNA.surname,)}


def test_somebody_who_is_held_again_while_the_answer_to_their_release_is_lost_stays_out(
    provisioner: Provisioner, databases: Databases, clock: ManualClock, mail: LostResponseTarget
) -> None:
    lock_account(databases, clock, ANNA.person_id, shell("boss"), "stolen password")
    reconcile_person(provisioner, ANNA.person_id)
    unlock_account(databases, clock, ANNA.person_id, shell("boss"))
    mail.loses_responses = True
    with pytest.raises(TargetUnavailable):
        reconcile_person(provisioner, ANNA.person_id)
    lock_account(databases, clock, ANNA.person_id, shell("boss"), "stolen after all")

    mail.comes_back()
    run = make_plan(provisioner, ACTOR)
    assert apply_run(provisioner, run.run_id, ACTOR).is_complete
    clock.advance(3600)
    reconcile_due(provisioner)

    assert is_open(provisioner, ANNA) == {False}


def test_a_second_plan_of_the_same_changes_makes_none_of_them_again(
    provisioner: Provisioner, databases: Databases, mail: LostResponseTarget
) -> None:
    change_person(databases, ANNA.person_id, surname="Nowak")
    first, twin = (make_plan(provisioner, ACTOR) for _ in range(2))
    assert apply_run(provisioner, first.run_id, ACTOR).is_complete
    told = events_of(databases, event_types.TARGET_CHANGED, "mail")

    became = apply_run(provisioner, twin.run_id, ACTOR)

    assert (became.run.state, became.done, became.superseded) == (RunState.APPLIED, 0, 1)
    assert events_of(databases, event_types.TARGET_CHANGED, "mail") == told


def test_a_run_that_reads_a_slow_target_shows_that_it_is_alive(
    provisioner: Provisioner, databases: Databases, clock: ManualClock, mail: LostResponseTarget
) -> None:
    change_person(databases, ANNA.person_id, surname="Nowak")
    run = make_plan(provisioner, ACTOR)
    request(provisioner, run.run_id, ACTOR)
    before = clock.now()
    mail.meanwhile = [lambda: clock.advance(60)]

    begin(provisioner, run.run_id, 1, Runner.ENGINE)

    progress_at = result_of(provisioner, run.run_id).run.progress_at
    assert progress_at is not None
    assert (progress_at - before).total_seconds() >= 60
