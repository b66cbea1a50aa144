"""What a plan would change, without a plan; on both databases."""

import pytest

from idp import permissions
from idp.audit.events import SYSTEM
from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.keys.key_files import Keys
from idp.people.change_queries import changes_among
from idp.people.settings import PeopleSettings
from idp.provisioning import run_queries
from idp.provisioning.draft import LOCK, Draft
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import make_plan
from idp.provisioning.preview import preview
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, FindingRow, LimitViolation
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.state_queries import count_states
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_person, change_status
from tests.support.students import Student

JAN = shell("jan")
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(4)]
IDS = [student.person_id for student in PEOPLE]


@pytest.fixture
def mail() -> FaultyTarget:
    return FaultyTarget("mail")


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, mail: FaultyTarget) -> Provisioner:
    """Everybody is as desired; one person may be disabled at once."""
    add_students(databases, keys, PEOPLE)
    settings = ProvisioningSettings(limits=LimitSettings(disable_floor=1, disable_share=0))
    made = Provisioner(databases, {"mail": mail}, PeopleSettings(), settings, ZONE, clock)
    assert apply_run(made, make_plan(made, JAN).run_id, JAN).is_complete
    mail.did.clear()
    return made


def plans(provisioner: Provisioner) -> int:
    with provisioner.databases.identity.read() as connection:
        return len(run_queries.last_runs(connection, 100))


def test_a_preview_shows_what_a_plan_would_have_and_stores_nothing(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    change_person(databases, IDS[0], surname="Nowak")
    for person_id in IDS[1:3]:
        change_status(databases, person_id, "suspended")
    before = plans(provisioner)

    with exclusive(databases, LOCK):  # somebody plans meanwhile
        draft = Draft(provisioner, SYSTEM, provisioner.targets)
        rows = list(preview(draft))

    assert [(row.kind, row.person_id) for row in rows if isinstance(row, ChangeRow)] == [
        ("update", IDS[0]),
        ("disable", IDS[1]),
        ("disable", IDS[2]),
    ]
    assert draft.summary()["mail"].counts == {"update": 1, "disable": 2}
    assert draft.violations(draft.summary()) == [LimitViolation("mail", "disable", 2, 4, 1)]
    with databases.identity.read() as connection:
        assert set(changes_among(connection, IDS)) == set(IDS[:3])
        assert count_states(connection) == {"mail": (4, 0)}
    assert (plans(provisioner), mail.did) == (before, [])
    assert make_plan(provisioner, permissions.SYSTEM).summary == draft.summary()


def test_a_preview_of_some_people_is_of_them_alone(provisioner: Provisioner, databases: Databases) -> None:
    for person_id in IDS[:2]:
        change_person(databases, person_id, surname="Nowak")

    rows = preview(Draft(provisioner, JAN.actor_id, provisioner.targets), IDS[1:])

    assert [row.person_id for row in rows] == [IDS[1]]


def test_a_preview_says_what_could_not_be_read(
    provisioner: Provisioner, databases: Databases, mail: FaultyTarget
) -> None:
    change_person(databases, IDS[0], surname="Nowak")
    mail.is_away = True

    draft = Draft(provisioner, JAN.actor_id, provisioner.targets)
    (row,) = preview(draft)

    assert isinstance(row, FindingRow)
    assert row.what == "not planned: mail could not be read: gone for lunch"
    assert draft.summary()["mail"].unread == "gone for lunch"
