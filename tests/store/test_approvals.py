"""A plan over the limits: who may approve it, how many must, and what an approval is worth; on both databases."""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace

import pytest
from sqlalchemy import select, update

from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import Conflict, NeedsApproval, NotAllowed, NotFound, StaleVersion
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.tables import account
from idp.permissions import Actor, Role
from idp.provisioning import run_queries
from idp.provisioning.approval import Progress, approve, refuse_unless_approved
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import LimitViolation, Run, RunState, TargetSummary
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.tables import run
from idp.provisioning.targets.accounts import AccountsTarget
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_status
from tests.support.students import Student

EVA = Actor("e" * 32, Role.OPERATOR, "Ewa Operator", ("password",), "shell:ewa")
OLA = Actor("f" * 32, Role.ADMINISTRATOR, "Ola Administrator", ("password",), "shell:ola")
STRICT = ProvisioningSettings(limits=LimitSettings(disable_floor=1, disable_share=0))
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(3)]


@pytest.fixture
def provisioner(databases: Databases, clock: ManualClock) -> Provisioner:
    targets = {"accounts": AccountsTarget(databases.identity)}
    return Provisioner(databases, targets, PeopleSettings(), STRICT, ZONE, clock)


@pytest.fixture
def waiting(provisioner: Provisioner, databases: Databases, keys: Keys) -> Run:
    """A plan that suspends three people where one may be."""
    add_students(databases, keys, PEOPLE)
    apply_run(provisioner, make_plan(provisioner, shell("jan")).run_id, shell("jan"))
    for student in PEOPLE:
        change_status(databases, student.person_id, "suspended")
    return make_plan(provisioner, shell("jan"))


def say_yes(provisioner: Provisioner, run: Run, who: Actor, *, digest: str = "") -> Progress:
    settings, clock = provisioner.settings, provisioner.clock
    return approve(provisioner.databases, settings, run.run_id, digest or run.digest, who, clock)


def state_of(databases: Databases, run: Run) -> str:
    with databases.identity.read() as connection:
        found = run_queries.load_run(connection, run.run_id)
    assert found is not None
    return found.state


def are_open(databases: Databases) -> list[bool]:
    with databases.identity.read() as connection:
        return list(connection.execute(select(account.c.enabled)).scalars())


def planned(
    databases: Databases, clock: ManualClock, starter: str, counts: Mapping[str, int], over: LimitViolation
) -> Run:
    """Return a plan of so many changes, over one limit."""
    with databases.identity.write() as connection:
        run_queries.begin_plan(connection, "a" * 32, clock.now(), starter)
        run_queries.end_plan(connection, "a" * 32, "d" * 64, {"ldap": TargetSummary(10, counts)}, [over])
        run = run_queries.load_run(connection, "a" * 32)
    assert run is not None
    return run


def removal(databases: Databases, clock: ManualClock, starter: str) -> Run:
    """Return a plan that removes one entry, where none may be."""
    return planned(databases, clock, starter, {"remove": 1}, LimitViolation("ldap", "remove", 1, 10, 0))


def many_shut(databases: Databases, clock: ManualClock, starter: str) -> Run:
    """Return a plan that shuts five, where one may be."""
    return planned(databases, clock, starter, {"disable": 5}, LimitViolation("ldap", "disable", 5, 10, 1))


def test_a_plan_over_a_limit_is_not_applied_before_somebody_approved_it(
    provisioner: Provisioner, databases: Databases, waiting: Run
) -> None:
    with pytest.raises(NeedsApproval, match=r"accounts disable: 3 of 3, limit 1\..*idp runs approve") as refused:
        apply_run(provisioner, waiting.run_id, shell("jan"))
    assert refused.value.code == "needs_approval"
    assert (state_of(databases, waiting), are_open(databases)) == (RunState.AWAITING_APPROVAL, [True] * 3)

    progress = say_yes(provisioner, waiting, EVA)

    assert (progress.missing, state_of(databases, waiting)) == (0, RunState.APPROVED)
    assert apply_run(provisioner, waiting.run_id, shell("jan")).done == 3
    assert are_open(databases) == [False] * 3


def test_an_approval_is_an_event_that_says_who_and_with_what(
    provisioner: Provisioner, databases: Databases, waiting: Run
) -> None:
    say_yes(provisioner, waiting, EVA)

    with databases.identity.read() as connection:
        (event,) = connection.execute(select(event_pending).where(event_pending.c.kind == "run.approved")).all()
    assert (event.subject, event.actor) == (waiting.run_id, EVA.actor_id)
    said = {"digest": waiting.digest, "factors": "password", "missing": 0, "terminal": "shell:ewa"}
    assert json.loads(event.data) == said


@pytest.mark.parametrize("role", ["", "clerk"])
def test_only_operators_and_administrators_approve(provisioner: Provisioner, waiting: Run, role: str) -> None:
    with pytest.raises(NotAllowed):
        say_yes(provisioner, waiting, replace(EVA, role=Role(role) if role else None))


def test_whoever_started_a_run_does_not_approve_it(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    run = many_shut(databases, clock, EVA.actor_id)

    with pytest.raises(NotAllowed):
        say_yes(provisioner, run, EVA)
    assert say_yes(provisioner, run, OLA).missing == 0


def test_the_starter_may_where_the_settings_say_so(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    run = many_shut(databases, clock, EVA.actor_id)
    lenient = STRICT.model_copy(update={"own_run_may_approve": True})

    assert approve(databases, lenient, run.run_id, run.digest, EVA, clock).missing == 0


def test_a_removal_needs_two_people_and_neither_at_the_terminal_that_started_it(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    run = removal(databases, clock, "shell:jan")

    with pytest.raises(NotAllowed, match="terminal"):
        say_yes(provisioner, run, replace(EVA, terminal="shell:jan"))
    first = say_yes(provisioner, run, EVA)
    with pytest.raises(Conflict, match="already"):
        say_yes(provisioner, run, EVA)
    between = state_of(databases, run)
    second = say_yes(provisioner, run, OLA)

    assert (first.missing, between, second.missing, state_of(databases, run)) == (
        1,
        RunState.AWAITING_APPROVAL,
        0,
        RunState.APPROVED,
    )


def test_of_two_last_approvals_at_the_same_moment_each_knows_of_the_other(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    run = removal(databases, clock, "shell:jan")
    met = threading.Barrier(2)

    class Hesitant(Actor):
        """Waits, in the middle of the approval, for the other to be there, too."""

        def __getattribute__(self, name: str) -> object:
            if name == "factors":
                with suppress(threading.BrokenBarrierError):
                    met.wait(0.5)
            return super().__getattribute__(name)

    two = [Hesitant(**asdict(who)) for who in (EVA, OLA)]
    with ThreadPoolExecutor(2) as pool:
        missing = sorted(progress.missing for progress in pool.map(lambda who: say_yes(provisioner, run, who), two))

    assert (missing, state_of(databases, run)) == ([0, 1], RunState.APPROVED)


def test_removals_need_two_people_when_the_plan_is_over_another_limit_alone(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    over = LimitViolation("ldap", "disable", 5, 10, 1)
    run = planned(databases, clock, "shell:jan", {"disable": 5, "remove": 1}, over)

    with pytest.raises(NotAllowed, match="terminal"):
        say_yes(provisioner, run, replace(EVA, terminal="shell:jan"))
    assert (say_yes(provisioner, run, EVA).missing, say_yes(provisioner, run, OLA).missing) == (1, 0)


def test_one_who_approved_does_not_count_twice_under_another_name(
    provisioner: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    run = removal(databases, clock, "shell:jan")
    say_yes(provisioner, run, EVA)

    with pytest.raises(Conflict):
        say_yes(provisioner, run, replace(EVA, name="Somebody Else", terminal="shell:other"))


def test_an_approval_of_another_plan_is_worth_nothing(
    provisioner: Provisioner, databases: Databases, waiting: Run
) -> None:
    with pytest.raises(Conflict, match="not the plan that you were shown"):
        say_yes(provisioner, waiting, EVA, digest="0" * 64)
    say_yes(provisioner, waiting, EVA)
    with databases.identity.write() as connection:
        connection.execute(update(run).values(digest="1" * 64))

    with pytest.raises(NeedsApproval):
        apply_run(provisioner, waiting.run_id, shell("jan"))
    assert are_open(databases) == [True] * 3


def test_raising_a_limit_afterwards_is_no_way_around_an_approval(provisioner: Provisioner, waiting: Run) -> None:
    generous = replace(provisioner, settings=ProvisioningSettings())

    with pytest.raises(NeedsApproval):
        apply_run(generous, waiting.run_id, shell("jan"))


def test_an_approved_plan_is_still_refused_when_the_world_moved(
    provisioner: Provisioner, databases: Databases, waiting: Run
) -> None:
    say_yes(provisioner, waiting, EVA)
    change_status(databases, PEOPLE[0].person_id, "active")

    with pytest.raises(StaleVersion):
        apply_run(provisioner, waiting.run_id, shell("jan"))
    assert are_open(databases) == [True] * 3


def test_nobody_approves_what_does_not_wait(provisioner: Provisioner, databases: Databases, waiting: Run) -> None:
    with databases.identity.read() as connection:
        first = next(run for run in run_queries.last_runs(connection, 9) if run.run_id != waiting.run_id)
        refuse_unless_approved(connection, first, STRICT)

    with pytest.raises(Conflict, match="applied"):
        say_yes(provisioner, first, EVA)
    with pytest.raises(NotFound):
        approve(databases, STRICT, "no-such-run", "0" * 64, EVA, provisioner.clock)
    say_yes(provisioner, waiting, EVA)
    with pytest.raises(Conflict, match="approved"):
        say_yes(provisioner, waiting, OLA)
