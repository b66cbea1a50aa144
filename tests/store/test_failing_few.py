"""One or two people whom a target that answers fails each time, on both kinds of database."""

from itertools import count

import pytest

from idp.audit import event_types
from idp.db.databases import Databases
from idp.errors import TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run
from idp.provisioning.health import note_failure, open_for
from idp.provisioning.live import reconcile_due, reconcile_person
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import RunState
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.target import Target
from idp.provisioning.targets.accounts import AccountsTarget
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_person, given_up
from tests.support.rounds import rounds_for
from tests.support.students import Student
from tests.support.workers import events_of

ACTOR = shell("test")
ANNA, JAN = Student("a" * 20, album="1"), Student("b" * 20, album="2")
MAX_ATTEMPTS = 3


@pytest.fixture
def mail() -> FaultyTarget:
    return FaultyTarget("mail", attributes={"sn": "surname"})


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, mail: FaultyTarget) -> Provisioner:
    """Anna's mail is as it was before her name changed, and the system fails whoever writes it."""
    add_students(databases, keys, [ANNA, JAN])
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "mail": mail}
    made = Provisioner(
        databases, targets, PeopleSettings(), ProvisioningSettings(max_attempts=MAX_ATTEMPTS), ZONE, clock
    )
    assert apply_run(made, make_plan(made, ACTOR).run_id, ACTOR).is_complete
    mail.hangs_up_on = {ANNA.person_id}
    change_person(databases, ANNA.person_id, surname="Nowak")
    reconcile_due(made)
    assert states_of_runs(databases) == [RunState.APPLIED, RunState.INCOMPLETE]
    return made


def states_of_runs(databases: Databases) -> list[str]:
    with databases.identity.read() as connection:
        return [run.state for run in run_queries.runs_in(connection, RunState.APPLIED, RunState.INCOMPLETE)]


def surname(mail: FaultyTarget, student: Student) -> str:
    return mail.entries[student.person_id].attributes["sn"][0]


def test_nobody_else_waits_for_them(provisioner: Provisioner, databases: Databases, mail: FaultyTarget) -> None:
    rounds_for(provisioner, 60)
    assert open_for(provisioner, "mail") == 0

    change_person(databases, JAN.person_id, surname="Wrona")
    reconcile_due(provisioner)

    assert surname(mail, JAN) == "Wrona"
    reconcile_person(provisioner, JAN.person_id)  # nor does a request


def test_they_are_not_given_up_while_nobody_else_gets_through(provisioner: Provisioner, mail: FaultyTarget) -> None:
    rounds_for(provisioner, 240)
    with provisioner.databases.identity.read() as connection:
        assert given_up(connection) == []

    mail.hangs_up_on.clear()
    rounds_for(provisioner, 60)

    assert surname(mail, ANNA) == "Nowak"
    assert RunState.INCOMPLETE not in states_of_runs(provisioner.databases)


def test_they_are_given_up_when_others_got_through_between_their_tries(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    for number in count(1):
        rounds_for(provisioner, 60)
        with databases.identity.read() as connection:
            if lost := given_up(connection):
                break
        assert number <= MAX_ATTEMPTS
        change_person(databases, JAN.person_id, surname=f"Wrona {number}")
        reconcile_due(provisioner)

    assert [(one.target, one.person_id, one.error) for one in lost] == [("mail", ANNA.person_id, "hung up")]
    assert events_of(databases, event_types.TARGET_GAVE_UP, "mail") == 1
    assert RunState.INCOMPLETE not in states_of_runs(databases)
    assert make_plan(provisioner, ACTOR).changes == 0


def test_a_target_that_asks_for_a_pause_gets_it(provisioner: Provisioner) -> None:
    assert note_failure(provisioner, "mail", TargetUnavailable("too many requests", retry_after_s=3600)) == 3600
    assert open_for(provisioner, "mail") == 3600


def test_a_request_that_fails_for_one_person_stops_nobody_elses(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    change_person(databases, JAN.person_id, surname="Wrona")

    with pytest.raises(TargetUnavailable, match="hung up"):
        reconcile_person(provisioner, ANNA.person_id)
    reconcile_person(provisioner, JAN.person_id)

    assert surname(mail, JAN) == "Wrona"


def test_somebody_whose_entry_cannot_be_read_is_given_up_with_an_event(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    mail.taken = {mail.entries.pop(ANNA.person_id).name}

    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(TargetRejected, match="not ours"):
            reconcile_person(provisioner, ANNA.person_id)

    with databases.identity.read() as connection:
        assert [(one.target, one.person_id) for one in given_up(connection)] == [("mail", ANNA.person_id)]
    assert events_of(databases, event_types.TARGET_GAVE_UP, "mail") == 1
