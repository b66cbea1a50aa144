"""A command that looks on while a worker carries out its run, on both kinds of database."""

from contextlib import suppress
from dataclasses import replace

import pytest

from idp.cli.applying import apply_or_follow
from idp.db import workers
from idp.db.databases import Databases
from idp.errors import CanaryFailed, IdpError, NotFound
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.provisioning.executor import begin
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Runner
from idp.provisioning.settings import ProvisioningSettings
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.provisioning import NO_LIMITS, ZONE, add_students
from tests.support.students import Student

ME = shell("test")
PEOPLE = [Student(f"p{number}", album=str(1000 + number)) for number in range(4)]


@pytest.fixture
def faulty() -> FaultyTarget:
    return FaultyTarget()


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, faulty: FaultyTarget) -> Provisioner:
    """Four people to be made in one target, of whom the first two are looked at before the others."""
    add_students(databases, keys, PEOPLE)
    settings = ProvisioningSettings.model_validate({"limits": NO_LIMITS, "canary": 2})
    return Provisioner(databases, {"faulty": faulty}, PeopleSettings(), settings, ZONE, clock)


def look_on(provisioner: Provisioner, of_worker: Provisioner) -> None:
    """Have a plan carried out by a worker, which takes it up at our first look."""
    run = make_plan(provisioner, ME)
    with provisioner.databases.sessions.write() as connection:
        workers.sign(connection, "other/1/1", provisioner.clock.timestamp(), 60, executes_runs=True)

    def advance(_count: int) -> None:
        with suppress(IdpError):
            begin(of_worker, run.run_id, run.attempt + 1, Runner.ENGINE)

    apply_or_follow(provisioner, run, ME, advance)


def test_who_looks_on_is_told_that_the_first_few_went_wrong(provisioner: Provisioner, faulty: FaultyTarget) -> None:
    faulty.forgets = True

    with pytest.raises(CanaryFailed):
        look_on(provisioner, provisioner)


def test_who_looks_on_is_told_that_the_worker_does_not_have_the_target(provisioner: Provisioner) -> None:
    with pytest.raises(NotFound, match="which the settings do not have any more"):
        look_on(provisioner, replace(provisioner, targets={}))
