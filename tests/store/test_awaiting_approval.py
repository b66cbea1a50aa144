"""What goes on by itself beside a plan that waits for approval and beside a paused run; on both databases."""

from collections.abc import Iterable

import pytest

from idp import permissions
from idp.accounts.locks import lock_account
from idp.audit.events import SYSTEM
from idp.db.databases import Databases
from idp.jobs.syncing import Sync
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.status import AccessPolicy
from idp.provisioning import run_queries, run_steps
from idp.provisioning.chunk_writer import apply_chunk
from idp.provisioning.executor import apply_run, begin, result_of
from idp.provisioning.live import reconcile_due
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeState, Runner, RunState
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.target import Target
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.undo import make_undo
from idp.registry.settings import RegistrySettings
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_person, change_status, choose_mail_name
from tests.support.rounds import rounds_for
from tests.support.students import Student

JAN = shell("jan")
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(10)]
IDS = [student.person_id for student in PEOPLE]
SUSPENDED, INNOCENT = IDS[:6], IDS[9]
FEW = LimitSettings(disable_floor=2, disable_share=0)
MANY = LimitSettings(disable_floor=1000)


@pytest.fixture
def faulty() -> FaultyTarget:
    return FaultyTarget()


@pytest.fixture
def sync(databases: Databases, keys: Keys, clock: ManualClock, faulty: FaultyTarget, limits: LimitSettings) -> Sync:
    add_students(databases, keys, PEOPLE)
    targets: dict[str, Target] = {"accounts": AccountsTarget(databases.identity), "faulty": faulty}
    settings = ProvisioningSettings(limits=limits, canary=0, batch=2, chunk=2)
    made = Provisioner(databases, targets, PeopleSettings(), settings, ZONE, clock)
    assert apply_run(made, make_plan(made, JAN).run_id, JAN).is_complete
    faulty.did.clear()
    return Sync(databases, keys, RegistrySettings(), AccessPolicy(), clock, ZONE, made)


def suspend(sync: Sync, ids: Iterable[str]) -> None:
    for person_id in ids:
        change_status(sync.databases, person_id, "suspended")


def closed_accounts(sync: Sync) -> int:
    return sum(not entry.enabled for entry in sync.provisioner.targets["accounts"].read(IDS))


def waiting_plans(sync: Sync) -> list[str]:
    with sync.databases.identity.read() as connection:
        return [run.run_id for run in run_queries.runs_in(connection, RunState.AWAITING_APPROVAL)]


def sweeps(sync: Sync, clock: ManualClock, count: int = 4) -> None:
    for _ in range(count):
        reconcile_due(sync.provisioner)
        clock.advance(1000)


# --- a plan that waits ----------------------------------------------------------------------------------------------


@pytest.fixture(params=[SYSTEM, JAN])
def waits(sync: Sync, request: pytest.FixtureRequest) -> str:
    """A plan, of the worker or of a human, that would suspend too many."""
    suspend(sync, SUSPENDED)
    if request.param == JAN:
        return make_plan(sync.provisioner, JAN).run_id
    done = sync.carry_out([])
    assert done.waits
    return done.run_id


@pytest.mark.parametrize("limits", [FEW])
def test_a_whole_look_beside_a_waiting_plan_carries_everybody_else_out(
    sync: Sync, waits: str, faulty: FaultyTarget
) -> None:
    change_person(sync.databases, INNOCENT, surname="Nowak")

    assert not sync.everything().waits

    assert faulty.entries[INNOCENT].attributes["sn"] == ("Nowak",)
    assert (waiting_plans(sync), closed_accounts(sync)) == ([waits], 0)
    assert sync.everything().run_id == waits


@pytest.mark.parametrize("limits", [FEW])
def test_who_waits_and_falls_due_with_somebody_else_keeps_nobody_waiting(
    sync: Sync, waits: str, faulty: FaultyTarget, clock: ManualClock
) -> None:
    sweeps(sync, clock, 1)
    change_person(sync.databases, INNOCENT, surname="Nowak")

    sweeps(sync, clock)

    assert faulty.entries[INNOCENT].attributes["sn"] == ("Nowak",)
    assert (waiting_plans(sync), closed_accounts(sync)) == ([waits], 0)


@pytest.mark.parametrize("limits", [FEW])
def test_a_file_that_is_mended_makes_a_waiting_plan_stale(sync: Sync, waits: str) -> None:
    for person_id in SUSPENDED:
        change_status(sync.databases, person_id, "active")

    sync.carry_out([])

    assert waiting_plans(sync) == []
    assert result_of(sync.provisioner, waits).run.state == RunState.STALE


@pytest.mark.parametrize("limits", [FEW])
def test_a_persons_own_act_supersedes_that_persons_changes_and_the_plan_still_awaits(
    sync: Sync, waits: str, faulty: FaultyTarget
) -> None:
    before = result_of(sync.provisioner, waits).run
    acting, other = SUSPENDED[:2]
    choose_mail_name(sync.databases, acting, "anna@student.po.edu.pl", "s1000@student.po.edu.pl")

    reconcile_due(sync.provisioner)

    after = result_of(sync.provisioner, waits)
    assert (after.run.state, after.run.digest) == (RunState.AWAITING_APPROVAL, before.digest)
    with sync.databases.identity.read() as connection:
        states = {(row.person_id, row.state) for row in run_queries.changes_of(connection, waits, target="faulty")}
    assert (acting, ChangeState.SUPERSEDED) in states
    assert (other, ChangeState.OPEN) in states
    assert faulty.did == []  # of the act nothing is written that the file asks for


@pytest.mark.parametrize("limits", [FEW])
def test_a_lock_never_waits_for_a_plan_that_awaits_approval(
    sync: Sync, waits: str, faulty: FaultyTarget, clock: ManualClock
) -> None:
    lock_account(sync.databases, clock, SUSPENDED[0], shell("boss"), "stolen password")

    reconcile_due(sync.provisioner)

    assert not faulty.entries[SUSPENDED[0]].enabled
    assert waiting_plans(sync) == [waits]


@pytest.mark.parametrize("limits", [FEW])
def test_a_file_that_changes_one_person_of_a_waiting_plan_makes_it_stale(sync: Sync, waits: str) -> None:
    change_status(sync.databases, SUSPENDED[0], "active")

    sync.carry_out([])

    assert result_of(sync.provisioner, waits).run.state is RunState.STALE
    (again,) = waiting_plans(sync)  # the others are planned anew
    with sync.databases.identity.read() as connection:
        rows = run_queries.changes_of(connection, again, state=ChangeState.OPEN, person_id=SUSPENDED)
    assert {row.person_id for row in rows} == set(SUSPENDED[1:])


@pytest.mark.parametrize("limits", [FEW])
def test_a_plan_of_which_nothing_is_needed_any_more_is_stale(
    sync: Sync, waits: str, faulty: FaultyTarget, clock: ManualClock
) -> None:
    for person_id in SUSPENDED:
        lock_account(sync.databases, clock, person_id, shell("boss"), "stolen password")
    for _ in range(3):
        reconcile_due(sync.provisioner)
    assert make_plan(sync.provisioner, JAN).changes == 0

    assert result_of(sync.provisioner, waits).run.state is RunState.STALE


@pytest.mark.parametrize("limits", [FEW])
def test_an_undo_that_shares_people_makes_a_waiting_plan_stale(sync: Sync, clock: ManualClock) -> None:
    change_person(sync.databases, SUSPENDED[0], surname="Nowak")
    renamed = make_plan(sync.provisioner, JAN)
    assert apply_run(sync.provisioner, renamed.run_id, JAN).is_complete
    suspend(sync, SUSPENDED)
    waits = make_plan(sync.provisioner, JAN)
    assert waits.state is RunState.AWAITING_APPROVAL

    undo = make_undo(sync.provisioner, renamed.run_id, JAN)
    apply_run(sync.provisioner, undo.run_id, JAN)

    assert result_of(sync.provisioner, waits.run_id).run.state is RunState.STALE


# --- a paused run ---------------------------------------------------------------------------------------------------


@pytest.fixture
def paused(sync: Sync) -> str:
    """A run of the worker that somebody paused after two of six accounts."""
    suspend(sync, SUSPENDED)
    run_id = make_plan(sync.provisioner, permissions.SYSTEM).run_id
    run_steps.request(sync.provisioner, run_id, permissions.SYSTEM)
    begun = begin(sync.provisioner, run_id, 1, Runner.ENGINE)
    apply_chunk(sync.provisioner, run_id, 1, begun.chunks[0])
    run_steps.pause(sync.provisioner, run_id, JAN)
    assert closed_accounts(sync) == 2
    return run_id


@pytest.mark.parametrize("limits", [MANY])
def test_what_somebody_paused_is_not_carried_out_by_another_run(
    sync: Sync, paused: str, faulty: FaultyTarget, clock: ManualClock
) -> None:
    change_person(sync.databases, INNOCENT, surname="Nowak")

    sweeps(sync, clock)
    for done in (sync.carry_out([]), sync.sync(), sync.everything()):
        assert done.note == "nothing to change besides what is paused"

    assert (closed_accounts(sync), faulty.did) == (2, [("update", INNOCENT)])
    assert result_of(sync.provisioner, paused).run.state == RunState.PAUSED

    run_steps.resume(sync.provisioner, paused, JAN)
    rounds_for(sync.provisioner, 60)
    assert (closed_accounts(sync), len(faulty.did)) == (6, 1 + 6)


@pytest.mark.parametrize("limits", [MANY])
@pytest.mark.parametrize("by_sweep", [True, False])
def test_a_mended_file_opens_again_whom_a_paused_run_has_closed(
    sync: Sync, paused: str, clock: ManualClock, *, by_sweep: bool
) -> None:
    for person_id in SUSPENDED:
        change_status(sync.databases, person_id, "active")

    if by_sweep:
        sweeps(sync, clock)
    else:
        sync.carry_out([])

    assert closed_accounts(sync) == 0
