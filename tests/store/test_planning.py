"""What a plan makes of targets that are not as they should be, on both databases."""

import pytest

from idp.audit.events import SYSTEM
from idp.people.settings import PeopleSettings
from idp.provisioning.applying import apply_run
from idp.provisioning.live import sweep_dirty
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Target
from idp.store import runs
from idp.store.base import Databases
from idp.store.keys import Keys
from idp.store.runs import Run
from tests.support.clock import ManualClock
from tests.support.imports import ZONE
from tests.support.moody import MoodyTarget
from tests.support.provisioning import NO_LIMITS, add_students, change_person, change_status
from tests.support.students import Student

JAN = "shell:jan"
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(4)]
IDS = [student.person_id for student in PEOPLE]


@pytest.fixture
def moody() -> MoodyTarget:
    return MoodyTarget()


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, moody: MoodyTarget) -> Provisioner:
    """Everybody is as desired in two targets."""
    add_students(databases, keys, PEOPLE)
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "moody": moody}
    settings = ProvisioningSettings(limits=NO_LIMITS, tries=2)
    made = Provisioner(databases, targets, PeopleSettings(), settings, ZONE, clock)
    assert apply_run(made, make_plan(made, JAN).run_id, JAN).is_complete
    moody.did.clear()
    return made


def is_open(provisioner: Provisioner, kind: str, person_id: str) -> bool:
    return next(iter(provisioner.targets[kind].read([person_id]))).enabled


def findings(provisioner: Provisioner, run: Run) -> list[tuple[str, str, str]]:
    with provisioner.databases.identity.read() as connection:
        return [(row.target, row.person_id, row.what) for row in runs.findings_of(connection, run.run_id)]


# --- two entries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", Scope)
def test_who_has_two_entries_is_found_and_keeps_nobody_else_waiting(
    provisioner: Provisioner, moody: MoodyTarget, scope: Scope
) -> None:
    doubled, other = IDS[:2]
    moody.doubles = {doubled}
    change_person(provisioner.databases, doubled, surname="Nowak")
    change_status(provisioner.databases, other, "suspended")

    run = make_plan(provisioner, SYSTEM, scope=scope)

    assert findings(provisioner, run) == [("moody", doubled, "has two entries with our mark")]
    assert run.summary["moody"].findings == 1
    assert apply_run(provisioner, run.run_id, SYSTEM).done == 2
    assert moody.did == [("disable", other)]


def test_who_had_two_entries_is_written_as_soon_as_one_is_gone(
    provisioner: Provisioner, moody: MoodyTarget, clock: ManualClock
) -> None:
    moody.doubles = {IDS[0]}
    change_person(provisioner.databases, IDS[0], surname="Nowak")
    assert sweep_dirty(provisioner) == 0

    moody.doubles = set()
    clock.advance(60)
    sweep_dirty(provisioner)

    assert moody.did == [("update", IDS[0])]


# --- given up -------------------------------------------------------------------------------------------------------


def test_a_whole_look_tries_again_whom_a_target_refused_until_it_was_mended(
    provisioner: Provisioner, moody: MoodyTarget, clock: ManualClock
) -> None:
    moody.refuses = {IDS[0]}
    change_status(provisioner.databases, IDS[0], "suspended")
    for _ in range(4):
        sweep_dirty(provisioner)
        clock.advance(1000)
    moody.refuses = set()
    assert make_plan(provisioner, SYSTEM).changes == 0  # given up

    run = make_plan(provisioner, SYSTEM, scope=Scope.ALL)
    apply_run(provisioner, run.run_id, SYSTEM)

    assert not is_open(provisioner, "moody", IDS[0])
