"""Targets that show a write later, or ask for a pause, in whole runs on both kinds of database."""

import pytest

from idp.audit import event_types
from idp.db.databases import Databases
from idp.errors import TargetUnavailable
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.provisioning.executor import apply_run, result_of
from idp.provisioning.health import open_for
from idp.provisioning.live import reconcile_due
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import RunState
from idp.provisioning.run_steps import next_run
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.state_queries import TargetState, states_among
from idp.provisioning.target_states import State
from idp.provisioning.writer import SHOWN_WITHIN
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students
from tests.support.rounds import one_round, rounds_for
from tests.support.students import Student
from tests.support.workers import events_of

ACTOR = shell("test")
ANNA = Student("a" * 20, album="1")
MAX_ATTEMPTS = 2


@pytest.fixture
def target() -> FaultyTarget:
    return FaultyTarget("mail", attributes={"sn": "surname"})


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, target: FaultyTarget) -> Provisioner:
    add_students(databases, keys, [ANNA])
    settings = ProvisioningSettings(max_attempts=MAX_ATTEMPTS)
    return Provisioner(databases, {target.kind: target}, PeopleSettings(), settings, ZONE, clock)


def state_of(provisioner: Provisioner) -> TargetState:
    return provisioner.read(states_among, "mail", [ANNA.person_id])[ANNA.person_id]


def wait_until_due(provisioner: Provisioner) -> None:
    """Let the time pass until the worker looks at Anna again, and do its round."""
    due_at = state_of(provisioner).next_attempt_at
    assert due_at is not None
    provisioner.clock.sleep(max(0.0, due_at.timestamp() - provisioner.clock.timestamp()) + 1)
    reconcile_due(provisioner)


def test_what_a_target_accepts_is_read_again_and_not_written_again(
    provisioner: Provisioner, target: FaultyTarget
) -> None:
    target.shows_later = True

    result = apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)

    assert (result.run.state, result.done, result.is_complete) == (RunState.APPLIED, 1, True)
    assert (state_of(provisioner).state, state_of(provisioner).attempts) == (State.ACCEPTED, 0)
    assert make_plan(provisioner, ACTOR).changes == 0  # it is not late yet
    assert (state_of(provisioner).state, state_of(provisioner).attempts) == (State.ACCEPTED, 0)

    target.catch_up()
    wait_until_due(provisioner)

    assert state_of(provisioner).state is State.IN_SYNC
    assert target.did == [("create", ANNA.person_id)]


def test_what_a_target_accepts_and_never_shows_is_written_again_and_given_up(
    provisioner: Provisioner, target: FaultyTarget
) -> None:
    target.shows_later = True
    apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)

    provisioner.clock.sleep(SHOWN_WITHIN.total_seconds() + 1)
    reconcile_due(provisioner)
    assert (state_of(provisioner).state, state_of(provisioner).attempts) == (State.IN_DOUBT, 1)
    wait_until_due(provisioner)  # it is written once more …
    assert [kind for kind, _ in target.did] == ["create", "create"]
    wait_until_due(provisioner)  # … and not shown again

    assert state_of(provisioner).state is State.FAILED
    assert events_of(provisioner.databases, event_types.TARGET_GAVE_UP, "mail") == 1
    with provisioner.databases.identity.read() as connection:
        assert states_among(connection, "mail", [ANNA.person_id])[ANNA.person_id].attempts == MAX_ATTEMPTS


def test_a_run_waits_as_long_as_its_target_asks(provisioner: Provisioner, target: FaultyTarget) -> None:
    run_id, began_at = make_plan(provisioner, ACTOR).run_id, provisioner.clock.timestamp()
    target.is_away, target.asks_for_s = True, 60.0
    with pytest.raises(TargetUnavailable):
        apply_run(provisioner, run_id, ACTOR)
    assert open_for(provisioner, "mail") == pytest.approx(60.0, abs=10)

    target.is_away = False
    rounds_for(provisioner, 40)
    assert (next_run(provisioner), target.did) == (None, [])  # it answers again, and still nobody calls it

    while result_of(provisioner, run_id).left:
        one_round(provisioner)
        assert provisioner.clock.timestamp() < began_at + 120
    assert (result_of(provisioner, run_id).run.state, target.did) == (RunState.APPLIED, [("create", ANNA.person_id)])
