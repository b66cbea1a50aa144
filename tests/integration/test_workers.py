"""Workers that carry out runs, killed and frozen, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.provisioning.executor import result_of
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import RunState
from tests.support.actors import shell
from tests.support.provisioning import add_students, make_provisioner, waiting
from tests.support.students import Student
from tests.support.workers import Workers, hand_over, over, until, workers_over

ACTOR = shell("test")
PEOPLE = [Student(f"{number:032x}", album=str(10_000 + number)) for number in range(200)]


@pytest.fixture
def provisioner(databases: Databases, directory: PrivateSlapd) -> Iterator[Provisioner]:
    """By the machine's clock: workers have no other."""
    made = make_provisioner(databases, directory, Clock(), batch=20)
    yield made
    made.close()


@pytest.fixture
def workers(tmp_path: Path, databases: Databases, directory: PrivateSlapd) -> Iterator[Workers]:
    with workers_over(tmp_path, databases, directory, provisioning={"batch": 20}) as made:
        yield made


def planned(provisioner: Provisioner, keys: Keys) -> str:
    """Return the run that makes everybody."""
    add_students(provisioner.databases, keys, PEOPLE)
    return make_plan(provisioner, ACTOR).run_id


def test_a_worker_carries_out_a_run_that_was_asked_for(
    provisioner: Provisioner, workers: Workers, databases: Databases, keys: Keys
) -> None:
    run_id = planned(provisioner, keys)
    workers.start()
    hand_over(provisioner, run_id)

    until(over(provisioner, run_id), 30, why=workers.log)

    became = result_of(provisioner, run_id)
    assert (became.run.state, became.done, became.is_complete) == (RunState.APPLIED, len(PEOPLE), True)
    assert (len(list(provisioner.targets["ldap"].read())), waiting(databases)) == (len(PEOPLE), 0)
