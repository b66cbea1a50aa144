"""What counts against the limits of a plan, over plans and days, and what is a first load; on both databases."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from idp import permissions
from idp.db.databases import Databases
from idp.errors import NeedsApproval
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.permissions import Actor, Role
from idp.provisioning import run_queries
from idp.provisioning.approval import approve
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_due
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import LimitViolation, Run, RunState
from idp.provisioning.run_steps import cancel
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.target import Target
from idp.provisioning.targets.accounts import AccountsTarget
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_status
from tests.support.rounds import rounds_for
from tests.support.students import Student

JAN = shell("jan")
EVA = Actor("e" * 32, Role.OPERATOR, "Ewa Operator", ("password",))
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(6)]
LIMITS = LimitSettings(create_floor=1, create_share=0, disable_floor=2, disable_share=0)


@pytest.fixture
def faulty() -> FaultyTarget:
    return FaultyTarget()


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, faulty: FaultyTarget) -> Provisioner:
    """Everybody is loaded, though no two people may be added at once."""
    add_students(databases, keys, PEOPLE)
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "faulty": faulty}
    made = Provisioner(databases, targets, PeopleSettings(), ProvisioningSettings(limits=LIMITS), ZONE, clock)
    assert apply_run(made, make_plan(made, JAN).run_id, JAN).done == len(PEOPLE)
    return made


# --- a first load ---------------------------------------------------------------------------------------------------


def test_a_target_that_was_emptied_is_no_first_load(provisioner: Provisioner, faulty: FaultyTarget) -> None:
    faulty.entries.clear()

    for scope in (Scope.ALL, Scope.ALL, Scope.CHANGED):  # nor is it one when it was seen to be empty before
        run = make_plan(provisioner, JAN, scope=scope)
        over = (LimitViolation("faulty", "create", 6, 0, 1),)
        assert (run.state, run.violations) == (RunState.AWAITING_APPROVAL, over)
        cancel(provisioner, run.run_id, JAN)


def test_a_first_load_that_was_only_planned_is_still_one(provisioner: Provisioner) -> None:
    larger = replace(provisioner, targets={**provisioner.targets, "fresh": FaultyTarget("fresh")})

    for _ in range(2):
        run = make_plan(larger, JAN, scope=Scope.ALL)
        assert (run.state, run.summary["fresh"].counts) == (RunState.PLANNED, {"create": 6})


# --- what is done by itself -----------------------------------------------------------------------------------------


def suspend(provisioner: Provisioner, people: Sequence[Student]) -> None:
    for student in people:
        change_status(provisioner.databases, student.person_id, "suspended")


def closed(faulty: FaultyTarget) -> int:
    return sum(not entry.enabled for entry in faulty.entries.values())


def last_run(provisioner: Provisioner) -> Run:
    with provisioner.databases.identity.read() as connection:
        return run_queries.last_runs(connection)[0]


def test_small_portions_of_a_bad_feed_count_together(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    for first in (0, 2, 4):
        suspend(provisioner, PEOPLE[first : first + 2])
        reconcile_due(provisioner)
        clock.advance(3600)

    run = last_run(provisioner)
    assert (closed(faulty), run.state) == (2, RunState.AWAITING_APPROVAL)
    assert LimitViolation("faulty", "disable", 2, 6, 2, before=2) in run.violations
    with pytest.raises(NeedsApproval, match=r"faulty disable: 2 of 6 and 2 in the last 24 hours, limit 2\."):
        apply_run(provisioner, run.run_id, permissions.SYSTEM)


def test_what_a_run_that_is_tried_again_has_yet_to_do_counts_together(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    for first in (0, 2, 4):
        suspend(provisioner, PEOPLE[first : first + 2])
        faulty.hangs_up_on = {student.person_id for student in PEOPLE}
        reconcile_due(provisioner)
        faulty.hangs_up_on = set()
        clock.advance(2)
    assert LimitViolation("faulty", "disable", 2, 6, 2, before=2) in last_run(provisioner).violations

    rounds_for(provisioner, 300)

    assert closed(faulty) == 2


def test_whom_a_run_that_is_tried_again_has_yet_to_change_is_left_to_it(
    provisioner: Provisioner, faulty: FaultyTarget
) -> None:
    suspend(provisioner, PEOPLE[:2])
    faulty.hangs_up_on = {student.person_id for student in PEOPLE}
    reconcile_due(provisioner)

    again = make_plan(provisioner, permissions.SYSTEM, scope=Scope.ALL)

    assert (again.violations, again.summary["faulty"].counts) == ((), {})


def test_a_day_later_the_limits_are_free_again(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    suspend(provisioner, PEOPLE[:2])
    reconcile_due(provisioner)
    clock.advance(24 * 3600 + 1)
    suspend(provisioner, PEOPLE[2:4])
    reconcile_due(provisioner)

    assert closed(faulty) == 4


def test_what_people_started_or_approved_does_not_count(
    provisioner: Provisioner, faulty: FaultyTarget, clock: ManualClock
) -> None:
    suspend(provisioner, PEOPLE[:1])
    apply_run(provisioner, make_plan(provisioner, JAN).run_id, JAN)
    suspend(provisioner, PEOPLE[1:4])
    waiting = make_plan(provisioner, permissions.SYSTEM)
    approve(provisioner.databases, provisioner.settings, waiting.run_id, waiting.digest, EVA, clock)
    apply_run(provisioner, waiting.run_id, permissions.SYSTEM)

    suspend(provisioner, PEOPLE[4:])
    reconcile_due(provisioner)

    assert closed(faulty) == 6


def test_what_people_start_is_judged_alone(provisioner: Provisioner, faulty: FaultyTarget) -> None:
    suspend(provisioner, PEOPLE[:2])
    reconcile_due(provisioner)
    suspend(provisioner, PEOPLE[2:4])

    assert make_plan(provisioner, JAN).violations == ()


def test_a_person_to_whom_the_same_is_done_again_counts_once(provisioner: Provisioner, faulty: FaultyTarget) -> None:
    suspend(provisioner, PEOPLE[:2])
    reconcile_due(provisioner)
    for student in PEOPLE[:2]:  # opened behind our back
        faulty.entries[student.person_id] = replace(faulty.entries[student.person_id], enabled=True)

    again = make_plan(provisioner, permissions.SYSTEM, scope=Scope.ALL)

    assert (again.violations, again.summary["faulty"].counts) == ((), {"disable": 2})


def test_a_first_load_that_came_by_itself_leaves_the_day_free(
    provisioner: Provisioner, faulty: FaultyTarget, keys: Keys
) -> None:
    larger = replace(provisioner, targets={**provisioner.targets, "fresh": FaultyTarget("fresh")})
    run = make_plan(larger, permissions.SYSTEM)
    assert apply_run(larger, run.run_id, permissions.SYSTEM).done == 6
    add_students(larger.databases, keys, [Student("f" * 20, album="2000")])

    assert reconcile_due(larger) == 2
    assert last_run(larger).violations == ()


# --- student rights -------------------------------------------------------------------------------------------------


def test_a_file_that_strikes_students_off_awaits_approval_although_its_changes_are_ordinary_updates(
    databases: Databases, keys: Keys, clock: ManualClock, faulty: FaultyTarget
) -> None:
    people = [Student(f"{number:020x}", album=str(number + 1)) for number in range(20)]
    add_students(databases, keys, people)
    settings = ProvisioningSettings(limits=LimitSettings(lose_rights_floor=1))
    provisioner = Provisioner(databases, {"faulty": faulty}, PeopleSettings(), settings, ZONE, clock)
    assert apply_run(provisioner, make_plan(provisioner, JAN).run_id, JAN).is_complete
    faulty.did.clear()
    for student in people[:2]:
        change_status(databases, student.person_id, "cancelled", since=provisioner.today())

    run = make_plan(provisioner, permissions.SYSTEM)

    part = run.summary["faulty"]
    assert (part.counts, part.lose_rights) == ({"update": 2}, 2)
    assert run.violations == (LimitViolation("faulty", "lose_rights", 2, 20, 1),)
    with pytest.raises(NeedsApproval, match="faulty lose_rights: 2 of 20, limit 1"):
        apply_run(provisioner, run.run_id, permissions.SYSTEM)
    assert faulty.did == []
