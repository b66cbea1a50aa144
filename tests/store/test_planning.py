"""What a plan makes of targets that are not as they should be, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from idp import permissions
from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.errors import TargetRejected, TargetUnavailable
from idp.jobs.syncing import Sync
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.status import AccessPolicy
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_due, sweep_bulk
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Run, RunState
from idp.provisioning.run_steps import COMMAND_LOCK
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.state_queries import mark_in_doubt
from idp.provisioning.target import Target
from idp.provisioning.targets.accounts import AccountsTarget
from idp.registry.settings import RegistrySettings
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import NO_LIMITS, add_students, change_person, change_status, mark, waiting
from tests.support.students import Student

JAN = shell("jan")
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(4)]
IDS = [student.person_id for student in PEOPLE]


@pytest.fixture
def faulty() -> FaultyTarget:
    return FaultyTarget()


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, faulty: FaultyTarget) -> Provisioner:
    """Everybody is as desired in two targets."""
    add_students(databases, keys, PEOPLE)
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "faulty": faulty}
    settings = ProvisioningSettings(limits=NO_LIMITS, max_attempts=2)
    made = Provisioner(databases, targets, PeopleSettings(), settings, ZONE, clock)
    assert apply_run(made, make_plan(made, JAN).run_id, JAN).is_complete
    faulty.did.clear()
    return made


def is_open(provisioner: Provisioner, kind: str, person_id: str) -> bool:
    return next(iter(provisioner.targets[kind].read([person_id]))).enabled


def findings(provisioner: Provisioner, run: Run) -> list[tuple[str, str, str]]:
    with provisioner.databases.identity.read() as connection:
        return [(row.target, row.person_id, row.what) for row in run_queries.findings_of(connection, run.run_id)]


# --- two entries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", Scope)
def test_who_has_two_entries_is_found_and_keeps_nobody_else_waiting(
    provisioner: Provisioner, faulty: FaultyTarget, scope: Scope
) -> None:
    doubled, other = IDS[:2]
    faulty.doubles = {doubled}
    change_person(provisioner.databases, doubled, surname="Nowak")
    change_status(provisioner.databases, other, "suspended")

    run = make_plan(provisioner, permissions.SYSTEM, scope=scope)

    assert findings(provisioner, run) == [("faulty", doubled, "has two entries with our mark")]
    assert run.summary["faulty"].findings == 1
    assert apply_run(provisioner, run.run_id, permissions.SYSTEM).done == 2
    assert faulty.did == [("disable", other)]


def test_who_had_two_entries_is_written_as_soon_as_one_is_gone(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    faulty.doubles = {IDS[0]}
    change_person(provisioner.databases, IDS[0], surname="Nowak")
    assert reconcile_due(provisioner) == 0

    faulty.doubles = set()
    clock.advance(60)
    reconcile_due(provisioner)

    assert faulty.did == [("update", IDS[0])]


# --- given up -------------------------------------------------------------------------------------------------------


def test_a_whole_look_tries_again_whom_a_target_refused_until_it_was_mended(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    faulty.refuses = {IDS[0]}
    change_status(provisioner.databases, IDS[0], "suspended")
    for _ in range(4):
        reconcile_due(provisioner)
        clock.advance(1000)
    faulty.refuses = set()
    assert make_plan(provisioner, permissions.SYSTEM).changes == 0  # given up

    run = make_plan(provisioner, permissions.SYSTEM, scope=Scope.ALL)
    apply_run(provisioner, run.run_id, permissions.SYSTEM)

    assert not is_open(provisioner, "faulty", IDS[0])


# --- a target that cannot be read -----------------------------------------------------------------------------------


def plans(provisioner: Provisioner) -> int:
    with provisioner.databases.identity.read() as connection:
        return len(run_queries.last_runs(connection, 1000))


@pytest.mark.parametrize("scope", Scope)
def test_a_target_that_is_away_keeps_no_other_one_from_being_planned(
    provisioner: Provisioner, faulty: FaultyTarget, scope: Scope
) -> None:
    change_status(provisioner.databases, IDS[0], "suspended")
    faulty.is_away = True

    run = make_plan(provisioner, permissions.SYSTEM, scope=scope)

    what = "not planned: faulty could not be read: gone for lunch"
    assert findings(provisioner, run) == [("faulty", "", what)]
    assert {kind: part.counts for kind, part in run.summary.items()} == {"accounts": {"disable": 1}, "faulty": {}}
    assert apply_run(provisioner, run.run_id, permissions.SYSTEM).is_complete
    assert not is_open(provisioner, "accounts", IDS[0])
    assert waiting(provisioner.databases) == 1
    with pytest.raises(TargetUnavailable):  # nothing else is to be done
        make_plan(provisioner, permissions.SYSTEM, scope=scope)

    faulty.is_away = False
    assert make_plan(provisioner, permissions.SYSTEM).summary["faulty"].counts == {"disable": 1}


def test_nobody_is_let_in_while_a_door_behind_cannot_be_looked_at(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    change_status(provisioner.databases, IDS[0], "suspended")
    reconcile_due(provisioner)
    change_status(provisioner.databases, IDS[0], "active")
    change_status(provisioner.databases, IDS[1], "suspended")
    faulty.is_away = True

    reconcile_due(provisioner)
    assert [is_open(provisioner, "accounts", person_id) for person_id in IDS[:2]] == [False, False]

    faulty.is_away = False
    clock.advance(60)
    reconcile_due(provisioner)
    assert [is_open(provisioner, "accounts", person_id) for person_id in IDS[:2]] == [True, False]
    assert [is_open(provisioner, "faulty", person_id) for person_id in IDS[:2]] == [True, False]


def test_an_outage_makes_no_more_plans_than_there_is_to_do_elsewhere(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    before = plans(provisioner)
    change_status(provisioner.databases, IDS[0], "suspended")
    faulty.is_away = True
    for _ in range(100):
        reconcile_due(provisioner)
        clock.advance(1)
    assert plans(provisioner) == before + 1

    faulty.is_away = False
    for _ in range(30):
        reconcile_due(provisioner)
        clock.advance(2)
    assert (plans(provisioner), is_open(provisioner, "faulty", IDS[0])) == (before + 2, False)


def test_a_target_that_refuses_to_be_read_keeps_no_other_one_from_being_planned(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    class Misconfigured(FaultyTarget):
        def ping(self) -> None:
            if self.is_away:
                raise TargetRejected("no such branch")

    add_students(databases, keys, PEOPLE)
    broken = Misconfigured("broken", is_away=True)
    targets: dict[str, Target] = {"broken": broken, "faulty": FaultyTarget()}
    settings = ProvisioningSettings(limits=NO_LIMITS)
    provisioner = Provisioner(databases, targets, PeopleSettings(), settings, ZONE, clock)

    reconcile_due(provisioner)
    assert len(list(targets["faulty"].read())) == len(PEOPLE)

    broken.is_away = False
    clock.advance(60)
    reconcile_due(provisioner)
    assert len(broken.entries) == len(PEOPLE)


def test_a_sync_carries_out_what_it_can_and_owes_the_rest(
    provisioner: Provisioner, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    databases = provisioner.databases
    sync = Sync(databases, keys, RegistrySettings(), AccessPolicy(), clock, ZONE, provisioner)
    change_status(databases, IDS[0], "suspended")
    faulty.is_away = True

    for _ in range(2):
        with pytest.raises(TargetUnavailable, match="gone for lunch"):
            sync.sync()
        assert not is_open(provisioner, "accounts", IDS[0])

    faulty.is_away = False
    assert sync.sync().note == "1 changes written"
    assert not is_open(provisioner, "faulty", IDS[0])


# --- cost -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", Scope)
def test_a_plan_loads_people_once_for_all_targets(
    databases: Databases, keys: Keys, clock: ManualClock, scope: Scope
) -> None:
    add_students(databases, keys, PEOPLE)

    def loads(*kinds: str) -> int:
        """Return how often a plan over these targets, all new, reads the records of people."""
        mark(databases, IDS)
        targets: dict[str, Target] = {kind: FaultyTarget(kind) for kind in kinds}
        made = Provisioner(databases, targets, PeopleSettings(), ProvisioningSettings(), ZONE, clock)
        found: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            found.extend(["read"] if "SELECT" in statement and "person.given_name" in statement else [])

        event.listen(databases.identity.engine, "before_cursor_execute", note)
        try:
            assert make_plan(made, JAN, scope=scope).changes == len(PEOPLE) * len(kinds)
        finally:
            event.remove(databases.identity.engine, "before_cursor_execute", note)
        return len(found)

    assert loads("one", "two", "three") == loads("single") > 0


@contextmanager
def statements(databases: Databases) -> Iterator[list[tuple[str, int]]]:
    """Yield a list that gets the text and the number of bound values of each statement."""
    seen: list[tuple[str, int]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
        seen.append((statement, len(parameters)))

    event.listen(databases.identity.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(databases.identity.engine, "before_cursor_execute", note)


def test_a_plan_binds_no_more_values_however_many_runs_the_worker_made_today(provisioner: Provisioner) -> None:
    def most_values() -> int:
        with statements(provisioner.databases) as seen:
            run = make_plan(provisioner, permissions.SYSTEM)
        assert apply_run(provisioner, run.run_id, permissions.SYSTEM).is_complete
        return max(count for text, count in seen if "loses_rights" in text and text.startswith("SELECT"))

    before = most_values()
    for _ in range(3):
        most_values()

    assert most_values() == before


def test_a_plan_counts_the_people_of_the_targets_once(provisioner: Provisioner) -> None:
    with statements(provisioner.databases) as seen:
        make_plan(provisioner, JAN)

    assert sum("count(target_state.applied)" in text for text, _ in seen) == 1


# --- plans that are not kept ----------------------------------------------------------------------------------------


def runs(provisioner: Provisioner) -> list[RunState]:
    return [run.state for run in provisioner.read(run_queries.runs_in, *RunState)]


def test_a_sweep_beside_another_command_leaves_no_plan_to_apply(provisioner: Provisioner, faulty: FaultyTarget) -> None:
    change_person(provisioner.databases, IDS[0], surname="Nowak")
    with exclusive(provisioner.databases, COMMAND_LOCK):
        assert sweep_bulk(provisioner) == 0
    assert sorted(runs(provisioner)) == [RunState.APPLIED, RunState.CANCELLED]

    assert sweep_bulk(provisioner) == 1
    assert faulty.did == [("update", IDS[0])]


def test_a_sweep_that_finds_everything_as_desired_leaves_no_run(provisioner: Provisioner) -> None:
    provisioner.write(mark_in_doubt, "faulty", IDS[:1], provisioner.clock.now())

    assert sweep_bulk(provisioner) == 0

    assert (runs(provisioner), waiting(provisioner.databases)) == ([RunState.APPLIED], 0)
