"""What counts against the limits of a plan, over plans and days, and what is a first load; on both databases."""

from dataclasses import replace

import pytest

from idp.people.settings import PeopleSettings
from idp.provisioning.applying import apply_run
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Target
from idp.store import runs
from idp.store.base import Databases
from idp.store.keys import Keys
from idp.store.runs import Over
from tests.support.clock import ManualClock
from tests.support.imports import ZONE
from tests.support.moody import MoodyTarget
from tests.support.provisioning import add_students
from tests.support.students import Student

JAN = "shell:jan"
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(6)]
LIMITS = LimitSettings(create_floor=1, create_share=0, disable_floor=2, disable_share=0)


@pytest.fixture
def moody() -> MoodyTarget:
    return MoodyTarget()


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, moody: MoodyTarget) -> Provisioner:
    """Everybody is loaded, though no two people may be added at once."""
    add_students(databases, keys, PEOPLE)
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "moody": moody}
    made = Provisioner(databases, targets, PeopleSettings(), ProvisioningSettings(limits=LIMITS), ZONE, clock)
    assert apply_run(made, make_plan(made, JAN).run_id, JAN).done == len(PEOPLE)
    return made


# --- a first load ---------------------------------------------------------------------------------------------------


def test_a_target_that_was_emptied_is_no_first_load(provisioner: Provisioner, moody: MoodyTarget) -> None:
    moody.entries.clear()

    for scope in (Scope.ALL, Scope.ALL, Scope.CHANGED):  # nor is it one when it was seen to be empty before
        run = make_plan(provisioner, JAN, scope=scope)
        assert (run.state, run.over) == (runs.WAITING, (Over("moody", "create", 6, 0, 1),))


def test_a_first_load_that_was_only_planned_is_still_one(provisioner: Provisioner) -> None:
    larger = replace(provisioner, targets={**provisioner.targets, "fresh": MoodyTarget("fresh")})

    for _ in range(2):
        run = make_plan(larger, JAN, scope=Scope.ALL)
        assert (run.state, run.summary["fresh"].counts) == (runs.PLANNED, {"create": 6})
