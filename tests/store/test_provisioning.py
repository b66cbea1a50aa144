"""Changes of records, states of people in targets, and runs, on both kinds of database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.audit import event_types
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.change_queries import (
    changed_after,
    changes_among,
    count_changes,
    delete_changes,
    next_changes,
    queue_recompute,
    set_aside,
)
from idp.people.values import Priority
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_due, reconcile_person
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, ChangeState, FindingRow, Runner, RunState, TargetSummary
from idp.provisioning.state_queries import (
    Desired,
    Observed,
    begin_writes,
    confirm_writes,
    count_attempts,
    count_states,
    delay,
    mark_in_doubt,
    note_absent,
    note_shown,
    retry,
    set_desired,
    states_among,
)
from idp.provisioning.tables import target_state
from idp.provisioning.target_states import NOT_SHOWN, Patience, Presence, State
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.provisioning import (
    GivenUp,
    add_students,
    change_person,
    choose_mail_name,
    given_up,
    make_provisioner,
    waiting,
)
from tests.support.students import Student
from tests.support.workers import events_of

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def directory(slapd: PrivateSlapd) -> Iterator[PrivateSlapd]:
    slapd.reset()
    yield slapd
    slapd.start()


def test_a_change_that_came_later_is_not_deleted(databases: Databases) -> None:
    with databases.identity.write() as connection:
        queue_recompute(connection, ["p1"], Priority.LIVE)
        read = changes_among(connection, ["p1"])["p1"].change_id
        queue_recompute(connection, ["p1"])
        delete_changes(connection, [("p1", read)])
        assert count_changes(connection) == 1
        delete_changes(connection, [("p1", changes_among(connection, ["p1"])["p1"].change_id)])
        assert count_changes(connection) == 0


def test_a_persons_own_act_stays_live_when_an_import_follows(databases: Databases) -> None:
    with databases.identity.write() as connection:
        queue_recompute(connection, ["p1", "p2"])
        queue_recompute(connection, ["p1"], Priority.LIVE)
        queue_recompute(connection, ["p1"])

        assert next_changes(connection, Priority.LIVE, NOW, 10) == ["p1"]
        assert next_changes(connection, Priority.BULK, NOW, 10) == ["p2"]
        assert changed_after(connection, after="", limit=10, now=NOW) == ["p1", "p2"]
        assert set(changes_among(connection, ["p2", "p3"])) == {"p2"}


def test_whoever_is_set_aside_is_computed_later_or_after_the_next_change(databases: Databases) -> None:
    later = NOW + timedelta(hours=1)
    with databases.identity.write() as connection:
        queue_recompute(connection, ["p1", "p2", "p3"])
        read = changes_among(connection, ["p1", "p2", "p3"])
        queue_recompute(connection, ["p3"])  # corrected after it was read: that was not computed yet
        set_aside(connection, ((person_id, change.change_id) for person_id, change in read.items()), later)
        assert next_changes(connection, Priority.BULK, NOW, 10) == ["p3"]
        delete_changes(connection, ((one, each.change_id) for one, each in changes_among(connection, ["p3"]).items()))
        queue_recompute(connection, ["p2"])
        assert next_changes(connection, Priority.BULK, NOW, 10) == ["p2"]
        assert next_changes(connection, Priority.BULK, later, 10) == ["p1", "p2"]


PATIENCE = Patience(attempts=3, first_s=5, most_s=900, delay_most_s=20)


def desire(databases: Databases, digest: str, presence: Presence = Presence.REQUIRED, *, was_read: bool = True) -> None:
    with databases.identity.write() as connection:
        set_desired(connection, "ldap", [Desired("p1", digest, presence)], NOW, was_read=was_read)


def state_of(databases: Databases) -> tuple[State, str | None]:
    with databases.identity.read() as connection:
        one = states_among(connection, "ldap", ["p1"])["p1"]
    return one.state, one.applied


def test_what_is_desired_is_work_until_it_is_applied(databases: Databases) -> None:
    desire(databases, "old")
    assert state_of(databases) == (State.PENDING, None)
    desire(databases, "new")
    with databases.identity.write() as connection:
        begin_writes(connection, "ldap", ["p1"], NOW + timedelta(seconds=60))
    assert state_of(databases) == (State.IN_DOUBT, None)
    with databases.identity.write() as connection:
        confirm_writes(connection, "ldap", [("p1", "old")], "run", NOW)
        assert count_states(connection) == {"ldap": (0, 1)}
        confirm_writes(connection, "ldap", [("p1", "new")], "run", NOW)
        assert count_states(connection) == {"ldap": (1, 0)}
    assert state_of(databases) == (State.IN_SYNC, "new")
    desire(databases, "newer")
    assert state_of(databases) == (State.PENDING, "new")
    desire(databases, "new")
    assert state_of(databases) == (State.IN_SYNC, "new")
    with databases.identity.write() as connection:
        mark_in_doubt(connection, "ldap", ["p1"], NOW)
    desire(databases, "newer")
    assert state_of(databases) == (State.IN_DOUBT, "new")
    with databases.identity.write() as connection:
        note_absent(connection, "ldap", ["p1"], NOW)
        assert count_states(connection) == {"ldap": (0, 1)}
    assert state_of(databases) == (State.PENDING, None)


@pytest.mark.parametrize(
    ("presence", "was_read", "state"),
    [
        (Presence.REQUIRED, True, State.PENDING),
        (Presence.IF_PRESENT, True, State.IN_SYNC),
        (Presence.REQUIRED, False, State.IN_DOUBT),
        (Presence.IF_PRESENT, False, State.IN_DOUBT),
    ],
)
def test_a_new_person_is_work_where_something_is_required_or_nobody_knows(
    databases: Databases, presence: Presence, was_read: bool, state: State
) -> None:
    desire(databases, "new", presence, was_read=was_read)
    assert state_of(databases) == (state, None)
    if presence is Presence.IF_PRESENT:
        with databases.identity.write() as connection:
            note_absent(connection, "ldap", ["p1"], NOW)
        assert state_of(databases) == (State.IN_SYNC, None)


def test_every_change_of_what_is_desired_has_its_own_token(databases: Databases) -> None:
    tokens = set()
    for digest in ("one", "one", "two", "one"):
        desire(databases, digest)
        with databases.identity.read() as connection:
            tokens.add(states_among(connection, "ldap", ["p1"])["p1"].change_token)
    assert len(tokens) == 3


def test_attempts_end_and_delays_do_not(databases: Databases) -> None:
    desire(databases, "new")
    waits = []
    with databases.identity.write() as connection:
        for _ in range(5):
            delay(connection, "ldap", ["p1"], "away", NOW, PATIENCE)
            due_at = states_among(connection, "ldap", ["p1"])["p1"].next_attempt_at
            waits.append(due_at and (due_at - NOW).total_seconds())
        assert waits == [5, 10, 20, 20, 20]
        assert states_among(connection, "ldap", ["p1"])["p1"].state is State.PENDING
        lost = [count_attempts(connection, "ldap", [("p1", "no")], NOW, PATIENCE) for _ in range(3)]
        assert lost == [[], [], ["p1"]]
        assert states_among(connection, "ldap", ["p1"])["p1"].next_attempt_at is None
        assert given_up(connection) == [GivenUp("ldap", "p1", 3, "no")]
        assert retry(connection, NOW) == ["p1"]
        assert given_up(connection) == []
    assert state_of(databases) == (State.IN_DOUBT, None)


@pytest.mark.parametrize(("presence", "attempts"), [(Presence.REQUIRED, 1), (Presence.IF_PRESENT, 0)])
def test_a_read_that_shows_nothing_clears_attempts_where_nothing_is_required(
    databases: Databases, presence: Presence, attempts: int
) -> None:
    desire(databases, "new", presence, was_read=False)
    with databases.identity.write() as connection:
        delay(connection, "ldap", ["p1"], "away", NOW, PATIENCE)
        count_attempts(connection, "ldap", [("p1", "no")], NOW, PATIENCE)
        note_absent(connection, "ldap", ["p1"], NOW)
        state = states_among(connection, "ldap", ["p1"])["p1"]
        error = connection.execute(select(target_state.c.error)).scalar_one()
    assert (state.attempts, state.delays, error) == (attempts, attempts, "no" if attempts else "")


def test_only_a_read_clears_attempts_for_which_a_target_did_not_show_a_write(databases: Databases) -> None:
    desire(databases, "new")

    def attempts() -> int:
        with databases.identity.read() as connection:
            return states_among(connection, "ldap", ["p1"])["p1"].attempts

    with databases.identity.write() as connection:
        count_attempts(connection, "ldap", [("p1", NOT_SHOWN)], NOW, PATIENCE)
        confirm_writes(connection, "ldap", [("p1", "new")], "run", NOW)
    assert attempts() == 1
    with databases.identity.write() as connection:
        note_shown(connection, "ldap", [("p1", "new")], NOW)
    assert attempts() == 0


def test_the_comparison_finds_all_that_differs_and_nothing_else(databases: Databases) -> None:
    desires = [Desired(f"p{number}", f"d{number}", Presence.of(number == 5)) for number in range(1, 7)]
    with databases.identity.write() as connection:
        set_desired(connection, "ldap", desires, NOW)
        set_desired(connection, "other", [Desired("p9", "d9", Presence.REQUIRED)], NOW)
        note_shown(connection, "ldap", [("p1", "d1"), ("p4", "d4")], NOW)
    there = [("p1", "d1"), ("p2", "d2"), ("p3", "different"), ("p6", "d6"), ("p6", "again"), ("p8", "orphan")]

    with databases.identity.read() as connection:
        observed = Observed(connection, "ldap")
        assert observed.add(iter(there)) == 6
        assert list(observed.differing()) == [("p3", True), ("p4", False), ("p6", True), ("p8", True)]
        assert observed.doubled() == ["p6"]
        assert sorted(observed.newly_shown()) == [("p2", "d2"), ("p6", "d6")]
        assert list(observed.gone()) == ["p4"]
    with databases.identity.read() as connection:
        again = Observed(connection, "ldap")
        assert (again.add([]), len(list(again.differing()))) == (0, 5)


def test_a_run_is_what_it_was_when_it_was_made(databases: Databases) -> None:
    change = ChangeRow(1, "ldap", "p1", "create", "u1", None, "{}", "student", "d1")
    finding = FindingRow(2, "ldap", "p2", "u2", "orphan")
    with databases.identity.write() as connection:
        run_queries.begin_plan(connection, "r1", NOW, "shell:test")
        run_queries.add_to_plan(connection, "r1", [change], [finding])
        assert run_queries.last_runs(connection) == []
        run_queries.end_plan(connection, "r1", "digest", {"ldap": TargetSummary(0, {"create": 1}, 1)})

    with databases.identity.write() as connection:
        run = run_queries.load_run(connection, "r1")
        assert run is not None
        assert (run.state, run.changes, run.created_at, run.digest) == (RunState.PLANNED, 1, NOW, "digest")
        assert run_queries.changes_of(connection, "r1") == [change]
        assert run_queries.changes_of(connection, "r1", after=1) == []
        assert run_queries.findings_of(connection, "r1") == [finding]
        run_queries.settle(connection, "r1", NOW, [(1, ChangeState.REJECTED, "no")])
        assert run_queries.count_changes(connection, "r1") == {ChangeState.REJECTED: 1}
        run_queries.move(connection, "r1", RunState.APPROVED)
        run_queries.start_attempt(connection, "r1", 0, Runner.COMMAND, NOW)
        run_queries.end_attempt(connection, "r1", 1, RunState.APPLIED, finished_at=NOW)
        assert run_queries.last_started(connection) == run_queries.load_run(connection, "r1")
        assert run_queries.load_run(connection, "r2") is None


def test_of_plans_that_could_not_be_made_nothing_is_left(databases: Databases) -> None:
    rows = [ChangeRow(1, "ldap", "p1", "create", "uid", None, "{}", "new", "d")]
    for run_id in ("r1", "r2", "r3"):
        with databases.identity.write() as connection:
            run_queries.begin_plan(connection, run_id, NOW, "shell:test")
            run_queries.add_to_plan(connection, run_id, rows, [])
    with databases.identity.write() as connection:
        run_queries.end_plan(connection, "r3", "d", {})
        assert [run_queries.load_run(connection, run_id) is not None for run_id in ("r1", "r2", "r3")] == [
            False,
            False,
            True,
        ]
        assert run_queries.count_changes(connection, "r2") == {}


def test_a_life_in_runs_and_at_once(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    provisioner = make_provisioner(databases, directory, clock, batch=7)
    people = [Student(f"p{number:02}", album=str(1000 + number)) for number in range(20)]
    add_students(databases, keys, people)

    plan = make_plan(provisioner, shell("test"))
    assert (plan.changes, apply_run(provisioner, plan.run_id, shell("test")).is_complete) == (20, True)
    assert (make_plan(provisioner, shell("test")).changes, waiting(databases)) == (0, 0)

    choose_mail_name(databases, people[0].person_id, "a@student.po.edu.pl", "s1000@student.po.edu.pl")
    reconcile_person(provisioner, people[0].person_id)
    change_person(databases, people[1].person_id, surname="Nowak")
    assert (reconcile_due(provisioner), waiting(databases)) == (1, 0)
    assert make_plan(provisioner, shell("test")).changes == 0
    provisioner.close()


@pytest.fixture
def forgetful() -> FaultyTarget:
    return FaultyTarget(forgets=True)


@pytest.fixture
def provisioner(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, forgetful: FaultyTarget
) -> Iterator[Provisioner]:
    """One person, and a target that never shows anybody; after three tries it is let be."""
    made = make_provisioner(databases, directory, clock, others={"faulty": forgetful}, max_attempts=3)
    add_students(databases, keys, [Student("p1", album="1001")])
    yield made
    made.close()


def test_somebody_whom_a_target_never_shows_is_tried_ever_more_rarely_and_given_up(
    provisioner: Provisioner, databases: Databases, forgetful: FaultyTarget, clock: ManualClock
) -> None:
    tries: list[float] = []
    for second in range(60):
        written = len(forgetful.did)
        reconcile_due(provisioner)
        if len(forgetful.did) > written:
            tries.append(second)
        clock.advance(1)

    assert tries == [0, 5, 15]
    with databases.identity.read() as connection:
        assert given_up(connection) == [GivenUp("faulty", "p1", 3, NOT_SHOWN)]
    assert events_of(databases, event_types.TARGET_GAVE_UP, "faulty") == 1
    assert (waiting(databases), make_plan(provisioner, shell("test")).changes) == (0, 0)


def test_somebody_who_was_given_up_is_tried_again_when_the_same_records_come_back(databases: Databases) -> None:
    def refuse() -> list[list[str]]:
        with databases.identity.write() as connection:
            return [count_attempts(connection, "ldap", [("p1", "no")], NOW, PATIENCE) for _ in range(3)]

    desire(databases, "open")
    with databases.identity.write() as connection:
        note_shown(connection, "ldap", [("p1", "open")], NOW)
    desire(databases, "shut")
    assert refuse() == [[], [], ["p1"]]
    desire(databases, "shut")  # computed once more: nothing is new
    with databases.identity.read() as connection:
        assert [one.attempts for one in given_up(connection)] == [3]

    desire(databases, "open")
    desire(databases, "shut")

    with databases.identity.read() as connection:
        assert given_up(connection) == []
        assert count_states(connection) == {"ldap": (1, 1)}
    assert refuse() == [[], [], ["p1"]]


def test_somebody_whom_a_target_shows_at_last_begins_with_all_tries(
    provisioner: Provisioner, databases: Databases, forgetful: FaultyTarget, clock: ManualClock
) -> None:
    for _ in range(3):  # twice not, then it is there, and lost again
        for _ in range(2):
            reconcile_due(provisioner)
            clock.advance(1000)
        forgetful.forgets = False
        reconcile_due(provisioner)
        assert set(forgetful.entries) == {"p1"}
        forgetful.forgets = True
        forgetful.entries.clear()
        with databases.identity.write() as connection:
            mark_in_doubt(connection, "faulty", ["p1"], clock.now())

    with databases.identity.read() as connection:
        assert given_up(connection) == []
