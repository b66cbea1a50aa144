"""A sync beside a plan that waits for people, on both kinds of database."""

from collections.abc import Sequence

import pytest
from sqlalchemy import update

from idp.db.databases import Databases
from idp.jobs.syncing import Sync
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.status import AccessPolicy
from idp.people.tables import person
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeState, RunState
from idp.provisioning.settings import ProvisioningSettings
from idp.registry.settings import RegistrySettings
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, mark
from tests.support.students import Student


def crowd(count: int) -> list[Student]:
    return [Student(f"{number:020x}", album=str(number + 1)) for number in range(count)]


@pytest.fixture
def sync(databases: Databases, keys: Keys, clock: ManualClock) -> Sync:
    target = FaultyTarget(attributes={"sn": "surname"})
    provisioner = Provisioner(databases, {"faulty": target}, PeopleSettings(), ProvisioningSettings(), ZONE, clock)
    return Sync(databases, keys, RegistrySettings(), AccessPolicy(), clock, ZONE, provisioner)


def let_wait(sync: Sync, students: Sequence[Student]) -> str:
    """Change everybody's name, and return the plan that is over the limit by that."""
    add_students(sync.databases, sync.keys, students)
    assert apply_run(sync.provisioner, make_plan(sync.provisioner, shell("test")).run_id, shell("test")).is_complete
    with sync.databases.identity.write() as connection:
        connection.execute(update(person).values(surname="Changed"))
    mark(sync.databases, [student.person_id for student in students])
    done = sync.carry_out([])
    assert done.waits
    return done.run_id


def test_who_is_in_a_waiting_plan_keeps_nobody_else_waiting(sync: Sync) -> None:
    students = crowd(150)
    waits = let_wait(sync, students)
    late = Student("f" * 20, album="9999")
    add_students(sync.databases, sync.keys, [late])

    assert not sync.carry_out([]).waits

    target = sync.provisioner.targets["faulty"]
    assert [entry.attributes["sn"] for entry in target.read([late.person_id])] == [(late.surname,)]
    with sync.databases.identity.read() as connection:
        run = run_queries.load_run(connection, waits)
        both = [late.person_id, students[0].person_id]
        rows = run_queries.changes_of(connection, waits, state=ChangeState.OPEN, person_id=both)
    assert {row.person_id for row in rows} == {students[0].person_id}
    assert (run and run.state, sync.carry_out([]).run_id) == (RunState.AWAITING_APPROVAL, waits)
