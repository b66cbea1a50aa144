"""Runs in one process: the first few, refusals, targets that fail beside others, pause, takeover, and pace."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.audit import event_types
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import CanaryFailed, Conflict, NotAllowed, TargetUnavailable
from idp.keys.key_files import Keys
from idp.permissions import SYSTEM
from idp.provisioning import run_queries, run_steps
from idp.provisioning.chunk_writer import apply_chunk
from idp.provisioning.executor import apply_run, begin, finish, result_of
from idp.provisioning.health import health_of
from idp.provisioning.live import reconcile_due, reconcile_person
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Runner, RunState
from idp.provisioning.run_steps import next_run
from idp.provisioning.target import Stage
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.provisioning import (
    add_students,
    change_person,
    change_status,
    given_up,
    make_provisioner,
    mark,
    waiting,
)
from tests.support.students import Student

ACTOR = shell("test")
PEOPLE = [Student(f"{number:032x}", album=str(10_000 + number)) for number in range(12)]
IDS = [student.person_id for student in PEOPLE]


@pytest.fixture
def faulty() -> FaultyTarget:
    return FaultyTarget()


@pytest.fixture
def provisioner(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, faulty: FaultyTarget
) -> Iterator[Provisioner]:
    """The directory, and behind it another target."""
    made = make_provisioner(databases, directory, clock, others={"faulty": faulty}, canary=0, max_attempts=3)
    yield made
    made.close()


@pytest.fixture
def cautious(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, faulty: FaultyTarget
) -> Iterator[Provisioner]:
    """The same two, and four people first in each."""
    made = make_provisioner(databases, directory, clock, others={"faulty": faulty}, canary=4)
    yield made
    made.close()


def plan_everybody(provisioner: Provisioner, keys: Keys) -> str:
    add_students(provisioner.databases, keys, PEOPLE)
    return make_plan(provisioner, ACTOR).run_id


def apply_while_away(provisioner: Provisioner, run_id: str, faulty: FaultyTarget, clock: ManualClock) -> None:
    """Carry out a run as far as it goes while a target is away, which is back a minute later."""
    faulty.is_away = True
    with pytest.raises(TargetUnavailable):
        apply_run(provisioner, run_id, ACTOR)
    clock.advance(60)
    faulty.is_away = False


def test_a_target_that_is_away_keeps_no_other_one_waiting_and_gets_its_part_later(
    provisioner: Provisioner, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    run_id = plan_everybody(provisioner, keys)
    faulty.is_away = True

    with pytest.raises(TargetUnavailable, match="lunch"):
        apply_run(provisioner, run_id, ACTOR)

    assert len(list(provisioner.targets["ldap"].read())) == len(PEOPLE)
    became = result_of(provisioner, run_id)
    assert (became.run.state, became.done, became.left) == (RunState.INCOMPLETE, len(PEOPLE), len(PEOPLE))
    clock.advance(60)
    faulty.is_away = False
    work = next_run(provisioner)
    assert work is not None
    assert work.run_id == run_id
    assert apply_run(provisioner, run_id, ACTOR).is_complete
    assert (set(faulty.entries), waiting(provisioner.databases)) == (set(IDS), 0)
    assert health_of(provisioner, "faulty") is None


def test_a_run_whose_only_open_target_is_left_alone_is_not_begun(
    provisioner: Provisioner, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    run_id = plan_everybody(provisioner, keys)
    faulty.is_away = True
    for _ in range(8):
        with pytest.raises(TargetUnavailable):
            apply_run(provisioner, run_id, ACTOR)
    found = health_of(provisioner, "faulty")
    assert found is not None
    assert found.open_until > clock.timestamp() + 5

    assert next_run(provisioner) is None
    clock.advance(120)
    assert next_run(provisioner) is not None


def test_somebody_whom_a_target_refuses_is_given_up_until_the_records_change(
    provisioner: Provisioner, databases: Databases, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    faulty.refuses = {IDS[0]}
    add_students(databases, keys, PEOPLE)
    for _ in range(6):
        reconcile_due(provisioner)
        clock.advance(1000)

    with databases.identity.read() as connection:
        gone = given_up(connection)
    assert [(one.target, one.person_id, one.attempts, one.error) for one in gone] == [
        ("faulty", IDS[0], 3, "we do not take this one")
    ]
    assert (set(faulty.entries), waiting(databases)) == (set(IDS[1:]), 0)
    assert make_plan(provisioner, ACTOR).changes == 0

    faulty.refuses = set()
    change_person(databases, IDS[0], surname="Nowak")
    reconcile_due(provisioner)
    assert faulty.entries[IDS[0]].attributes["sn"] == ("Nowak",)
    with databases.identity.read() as connection:
        assert given_up(connection) == []


def test_a_target_that_refuses_everybody_gives_nobody_up(
    provisioner: Provisioner, databases: Databases, keys: Keys, clock: ManualClock, faulty: FaultyTarget
) -> None:
    plan_everybody(provisioner, keys)
    faulty.refuses = set(IDS)
    for _ in range(20):
        reconcile_due(provisioner)
        clock.advance(600)
    with databases.identity.read() as connection:
        assert given_up(connection) == []

    faulty.refuses = set()  # its rights were mended
    clock.advance(1200)
    reconcile_due(provisioner)

    assert set(faulty.entries) == set(IDS)


def test_somebody_who_was_given_up_is_tried_again_when_a_human_says_so(
    provisioner: Provisioner, databases: Databases, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    faulty.refuses = {IDS[0]}
    add_students(databases, keys, PEOPLE[:2])
    for _ in range(6):
        reconcile_due(provisioner)
        clock.advance(1000)
    faulty.refuses = set()
    assert reconcile_due(provisioner) == 0

    assert run_steps.retry(provisioner, ACTOR) == [IDS[0]]
    reconcile_due(provisioner)

    assert set(faulty.entries) == set(IDS[:2])


def test_one_change_that_ends_the_connection_keeps_nobody_else_from_being_written(
    provisioner: Provisioner, keys: Keys, faulty: FaultyTarget
) -> None:
    run_id = plan_everybody(provisioner, keys)
    faulty.hangs_up_on = {IDS[5]}

    for _ in range(4):
        try:
            apply_run(provisioner, run_id, ACTOR)
        except TargetUnavailable:
            continue

    assert set(faulty.entries) == {*IDS} - {IDS[5]}


def test_an_outage_gives_nobody_up(
    provisioner: Provisioner, databases: Databases, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    faulty.is_away = True
    add_students(databases, keys, PEOPLE[:4], live=True)
    for _ in range(6):
        reconcile_due(provisioner)
        clock.advance(30)

    with databases.identity.read() as connection:
        assert given_up(connection) == []
    assert len(list(provisioner.targets["ldap"].read())) == 4
    faulty.is_away = False
    clock.advance(25)
    reconcile_due(provisioner)
    assert (set(faulty.entries), waiting(databases)) == (set(IDS[:4]), 0)


def test_targets_disable_in_the_order_of_their_stages_and_enable_in_reverse(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    order: list[tuple[str, str]] = []
    outer = FaultyTarget("outer", stage=Stage.ACCESS, shared=order)
    inner = FaultyTarget("inner", stage=Stage.MAIL, shared=order)
    made = make_provisioner(databases, directory, clock)
    provisioner = replace(made, targets={"inner": inner, "outer": outer})
    add_students(databases, keys, PEOPLE[:1])

    apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)
    change_status(databases, IDS[0], "suspended")
    apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)
    change_status(databases, IDS[0], "active")
    reconcile_person(provisioner, IDS[0])

    opened = [("inner", "create"), ("outer", "create")]
    shut = [("outer", "disable"), ("inner", "disable")]
    assert order == [*opened, *shut, ("inner", "enable"), ("outer", "enable")]
    made.close()


def test_the_first_few_are_checked_before_all_others(cautious: Provisioner, keys: Keys, faulty: FaultyTarget) -> None:
    faulty.forgets = True
    run_id = plan_everybody(cautious, keys)

    with pytest.raises(CanaryFailed, match="found otherwise"):
        apply_run(cautious, run_id, ACTOR)

    became = result_of(cautious, run_id)
    assert became.run.state == RunState.INCOMPLETE
    assert became.run.next_attempt_at is None  # only when somebody asks
    assert len(faulty.did) <= 4
    assert next_run(cautious) is None

    faulty.forgets = False
    again = make_plan(cautious, ACTOR)
    assert apply_run(cautious, again.run_id, ACTOR).is_complete


def test_nobody_is_written_in_a_target_that_cannot_be_judged_by_the_first_few(
    cautious: Provisioner, keys: Keys, faulty: FaultyTarget
) -> None:
    run_id = plan_everybody(cautious, keys)
    faulty.forgets, faulty.naps = True, 2  # one write, and the question whether it is there at all

    with pytest.raises(TargetUnavailable):
        apply_run(cautious, run_id, ACTOR)
    assert faulty.did == []

    cautious.clock.sleep(60)
    with pytest.raises(CanaryFailed, match="found otherwise"):
        apply_run(cautious, run_id, ACTOR)
    assert len(faulty.did) <= 4


def test_a_target_that_refuses_most_of_the_first_few_stops_the_run(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, faulty: FaultyTarget
) -> None:
    provisioner = make_provisioner(databases, directory, clock, others={"faulty": faulty}, canary=8)
    faulty.refuses = set(IDS)
    run_id = plan_everybody(provisioner, keys)

    with pytest.raises(CanaryFailed, match="refused 4 of the first"):
        apply_run(provisioner, run_id, ACTOR)

    assert len(list(provisioner.targets["ldap"].read())) < len(PEOPLE)
    provisioner.close()


class Killed(BaseException):
    """Ends a process wherever it is."""


def test_the_first_few_are_checked_by_the_next_attempt_after_a_kill_before_the_look(
    cautious: Provisioner, keys: Keys, faulty: FaultyTarget
) -> None:
    run_id = plan_everybody(cautious, keys)
    faulty.forgets = True

    def kill() -> None:
        raise Killed

    faulty.meanwhile = [kill]
    with pytest.raises(Killed):
        apply_run(cautious, run_id, ACTOR)
    assert 0 < len(faulty.did) <= 4

    for attempt in (1, 2, 3):  # nothing was mended: nobody but a few more each time
        with pytest.raises(CanaryFailed, match="found otherwise"):
            apply_run(cautious, run_id, ACTOR)
        assert len(faulty.did) <= 4 + 4 * attempt

    faulty.forgets = False
    assert apply_run(cautious, run_id, ACTOR).left == 0


def test_a_target_that_was_away_has_first_few_when_it_is_back(
    cautious: Provisioner, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    run_id = plan_everybody(cautious, keys)
    apply_while_away(cautious, run_id, faulty, clock)
    faulty.forgets = True

    with pytest.raises(CanaryFailed, match="found otherwise"):
        apply_run(cautious, run_id, ACTOR)

    assert len(faulty.did) <= 4


def test_nobody_whose_records_changed_meanwhile_is_among_the_first_few_of_a_later_attempt(
    cautious: Provisioner, databases: Databases, keys: Keys, faulty: FaultyTarget, clock: ManualClock
) -> None:
    run_id = plan_everybody(cautious, keys)
    apply_while_away(cautious, run_id, faulty, clock)
    change_person(databases, IDS[0], surname="Nowak")
    reconcile_person(cautious, IDS[0])

    assert apply_run(cautious, run_id, ACTOR).superseded == 1

    assert faulty.entries[IDS[0]].attributes["sn"] == ("Nowak",)


def test_a_run_that_was_paused_or_cancelled_is_not_carried_on(
    provisioner: Provisioner, keys: Keys, faulty: FaultyTarget
) -> None:
    run_id = plan_everybody(provisioner, keys)
    run_steps.request(provisioner, run_id, ACTOR)
    begun = begin(provisioner, run_id, 1, Runner.ENGINE)
    run_steps.pause(provisioner, run_id, ACTOR)

    for part in begun.chunks:
        apply_chunk(provisioner, run_id, 1, part)
    assert finish(provisioner, run_id, 1).run.state == RunState.PAUSED
    assert (faulty.did, next_run(provisioner)) == ([], None)

    run_steps.resume(provisioner, run_id, ACTOR)
    begun = begin(provisioner, run_id, 2, Runner.ENGINE)
    run_steps.cancel(provisioner, run_id, ACTOR)
    for part in begun.chunks:
        apply_chunk(provisioner, run_id, 2, part)
    assert finish(provisioner, run_id, 2).run.state == RunState.CANCELLED
    with pytest.raises(Conflict, match="cancelled"):
        apply_run(provisioner, run_id, ACTOR)

    again = make_plan(provisioner, ACTOR)
    assert again.changes == 2 * len(PEOPLE)


def test_a_paused_run_is_resumed_only_by_whoever_may_resume_it(
    provisioner: Provisioner, databases: Databases, keys: Keys
) -> None:
    run_id = plan_everybody(provisioner, keys)
    run_steps.request(provisioner, run_id, ACTOR)
    run_steps.pause(provisioner, run_id, ACTOR)

    with pytest.raises(NotAllowed):
        run_steps.request(provisioner, run_id, SYSTEM)
    assert provisioner.read(run_queries.require_run, run_id).state is RunState.PAUSED

    assert run_steps.request(provisioner, run_id, ACTOR).state is RunState.APPROVED
    with databases.identity.read() as connection:
        rows = connection.execute(select(event_pending).where(event_pending.c.kind == event_types.RUN_RESUMED))
        assert [(row.subject, row.actor) for row in rows] == [(run_id, ACTOR.actor_id)]


def test_a_run_that_is_paused_while_it_is_verified_reads_no_further_target(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, faulty: FaultyTarget
) -> None:
    other = FaultyTarget("other")
    made = make_provisioner(databases, directory, clock, others={"faulty": faulty, "other": other}, canary=0)
    run_id = plan_everybody(made, keys)
    run_steps.request(made, run_id, ACTOR)
    for chunk in begin(made, run_id, 1, Runner.ENGINE).chunks:
        apply_chunk(made, run_id, 1, chunk)
    connections: list[int] = []
    faulty.meanwhile += [
        lambda: connections.append(databases.identity.engine.pool.checkedout()),  # type: ignore[attr-defined]
        lambda: run_steps.pause(made, run_id, ACTOR),
    ]
    other.meanwhile.append(lambda: pytest.fail("it was read"))

    assert finish(made, run_id, 1).run.state is RunState.PAUSED
    assert connections == [0]  # no transaction is open while a target is read
    made.close()


def test_the_steps_of_one_attempt_may_be_repeated_by_anybody(
    provisioner: Provisioner, keys: Keys, faulty: FaultyTarget
) -> None:
    run_id = plan_everybody(provisioner, keys)
    run_steps.request(provisioner, run_id, ACTOR)
    for _ in range(2):
        begun = begin(provisioner, run_id, 1, Runner.ENGINE)
        for part in [*begun.chunks, *begun.chunks]:
            apply_chunk(provisioner, run_id, 1, part)
    for _ in range(2):
        became = finish(provisioner, run_id, 1)

    assert (became.run.state, became.done) == (RunState.APPLIED, 2 * len(PEOPLE))
    assert len(faulty.did) == len(PEOPLE)


def test_somebody_who_changes_in_mid_run_is_left_to_the_next_plan(
    provisioner: Provisioner, databases: Databases, keys: Keys, faulty: FaultyTarget
) -> None:
    run_id = plan_everybody(provisioner, keys)
    run_steps.request(provisioner, run_id, ACTOR)
    begun = begin(provisioner, run_id, 1, Runner.ENGINE)
    change_person(databases, IDS[3], surname="Nowak")
    mark(databases, [IDS[3]], live=True)
    reconcile_person(provisioner, IDS[3])

    for part in begun.chunks:
        apply_chunk(provisioner, run_id, 1, part)
    became = finish(provisioner, run_id, 1)

    assert (became.run.state, became.superseded, became.is_complete) == (RunState.APPLIED, 2, True)
    assert faulty.entries[IDS[3]].attributes["sn"] == ("Nowak",)
    assert make_plan(provisioner, ACTOR).changes == 0


def test_a_pace_holds_for_a_whole_run(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    made = make_provisioner(databases, directory, clock)
    provisioner = replace(made, paces={"ldap": 2.0})
    run_id = plan_everybody(provisioner, keys)
    began_at = clock.timestamp()

    assert apply_run(provisioner, run_id, ACTOR).is_complete

    # Twelve writes at two a second: the first two at once, the last two after five seconds.
    assert 4.9 <= clock.timestamp() - began_at <= 6.1
    made.close()
