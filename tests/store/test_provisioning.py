"""Marks, digests and runs, on both kinds of database."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.audit import event_types
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.change_queries import (
    clear_marks,
    count_dirty,
    due_marks,
    mark_dirty,
    mark_many_dirty,
    mark_of,
    marks_among,
    put_off,
    stream_marks,
)
from idp.provisioning import run_queries as runs
from idp.provisioning.applying import apply_run
from idp.provisioning.live import reconcile_person, sweep_dirty
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run_queries import ChangeRow, FindingRow, TargetSummary
from idp.provisioning.state_queries import (
    Desire,
    GivenUp,
    Observed,
    State,
    absent,
    confirm,
    count_states,
    desire,
    doubt,
    given_up,
    refused,
    states_among,
)
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.provisioning import (
    add_students,
    change_person,
    choose_mail_name,
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


def test_a_mark_that_was_renewed_is_not_taken_away(databases: Databases) -> None:
    with databases.identity.write() as connection:
        mark_dirty(connection, "p1")
        seen = mark_of(connection, "p1")
        mark_many_dirty(connection, ["p1"])
        clear_marks(connection, [("p1", seen)])
        assert count_dirty(connection) == 1
        clear_marks(connection, [("p1", mark_of(connection, "p1"))])
        assert (count_dirty(connection), mark_of(connection, "p1")) == (0, "")


def test_a_persons_own_act_outranks_an_import_and_is_tried_at_once(databases: Databases) -> None:
    with databases.identity.write() as connection:
        mark_many_dirty(connection, ["p1", "p2"])
        put_off(connection, due_marks(connection, is_live=False, now=0, limit=10), due_at=99.0, error="down")
        mark_dirty(connection, "p1")
        mark_many_dirty(connection, ["p1"])

        assert [mark.person_id for mark in due_marks(connection, is_live=True, now=0, limit=10)] == ["p1"]
        assert due_marks(connection, is_live=False, now=98, limit=10) == []
        (late,) = due_marks(connection, is_live=False, now=99, limit=10)
        assert (late.person_id, late.tries) == ("p2", 1)
        assert [person_id for person_id, _ in stream_marks(connection)] == ["p1", "p2"]
        assert set(marks_among(connection, ["p2", "p3"])) == {"p2"}


def test_applied_is_kept_only_while_it_is_still_desired(databases: Databases) -> None:
    with databases.identity.write() as connection:
        desire(connection, "ldap", [Desire("p1", "old", False), Desire("p2", "two", True)])
        desire(connection, "ldap", [Desire("p1", "new", False)])
        confirm(connection, "ldap", [("p1", "old")], "run", NOW)
        assert states_among(connection, "ldap", ["p1", "p2", "p3"]) == {
            "p1": State("new", None, False),
            "p2": State("two", None, True),
        }
        assert count_states(connection) == {"ldap": (0, 1)}

        confirm(connection, "ldap", [("p1", "new")], "run", NOW)
        assert count_states(connection) == {"ldap": (1, 0)}
        doubt(connection, "ldap", ["p1"])
        assert count_states(connection) == {"ldap": (1, 1)}
        absent(connection, "ldap", ["p1"])
        assert count_states(connection) == {"ldap": (0, 1)}


def test_the_comparison_finds_all_that_differs_and_nothing_else(databases: Databases) -> None:
    desires = [Desire(f"p{number}", f"d{number}", number == 5) for number in range(1, 7)]
    with databases.identity.write() as connection:
        desire(connection, "ldap", desires)
        desire(connection, "other", [Desire("p9", "d9", False)])
        confirm(connection, "ldap", [("p1", "d1"), ("p4", "d4")], "", NOW)
    there = [("p1", "d1"), ("p2", "d2"), ("p3", "different"), ("p6", "d6"), ("p6", "again"), ("p8", "stray")]

    with databases.identity.read() as connection:
        observed = Observed(connection, "ldap")
        assert observed.add(iter(there)) == 6
        assert list(observed.differing()) == [("p3", True), ("p4", False), ("p6", True), ("p8", True)]
        assert observed.twice() == ["p6"]
        assert sorted(observed.true_unknowingly()) == [("p2", "d2"), ("p6", "d6")]
        assert list(observed.gone()) == [("p4", "d4")]
    with databases.identity.read() as connection:
        again = Observed(connection, "ldap")
        assert (again.add([]), len(list(again.differing()))) == (0, 5)


def test_a_run_is_what_it_was_when_it_was_made(databases: Databases) -> None:
    change = ChangeRow(1, "ldap", "p1", "create", "u1", None, "{}", "student", "d1", "m1")
    finding = FindingRow(2, "ldap", "p2", "u2", "stray")
    with databases.identity.write() as connection:
        runs.begin_plan(connection, "r1", NOW, "shell:test")
        runs.add_to_plan(connection, "r1", [change], [finding])
        assert runs.last_runs(connection) == []
        runs.end_plan(connection, "r1", "digest", {"ldap": TargetSummary(0, {"create": 1}, 1)})

    with databases.identity.write() as connection:
        run = runs.load_run(connection, "r1")
        assert run is not None
        assert (run.state, run.changes, run.created_at, run.digest) == (runs.PLANNED, 1, NOW, "digest")
        assert runs.changes_of(connection, "r1") == [change]
        assert runs.changes_of(connection, "r1", after=1) == []
        assert runs.findings_of(connection, "r1") == [finding]
        runs.settle(connection, "r1", NOW, [(1, runs.REJECTED, "no")])
        assert runs.count_changes(connection, "r1") == {runs.REJECTED: 1}
        runs.set_state(connection, "r1", runs.APPLIED, started_at=NOW, finished_at=NOW)
        assert runs.last_applied(connection) == runs.load_run(connection, "r1")
        assert runs.load_run(connection, "r2") is None


def test_of_plans_that_could_not_be_made_nothing_is_left(databases: Databases) -> None:
    rows = [ChangeRow(1, "ldap", "p1", "create", "uid", None, "{}", "new", "d", "")]
    for run_id in ("r1", "r2", "r3"):
        with databases.identity.write() as connection:
            runs.begin_plan(connection, run_id, NOW, "shell:test")
            runs.add_to_plan(connection, run_id, rows, [])
    with databases.identity.write() as connection:
        runs.end_plan(connection, "r3", "d", {})
        assert [runs.load_run(connection, run_id) is not None for run_id in ("r1", "r2", "r3")] == [False, False, True]
        assert runs.count_changes(connection, "r2") == {}


def test_a_life_in_runs_and_at_once(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    provisioner = make_provisioner(databases, directory, clock, batch=7)
    people = [Student(f"p{number:02}", album=str(1000 + number)) for number in range(20)]
    add_students(databases, keys, people)

    plan = make_plan(provisioner, "shell:test")
    assert (plan.changes, apply_run(provisioner, plan.run_id, "shell:test").is_complete) == (20, True)
    assert (make_plan(provisioner, "shell:test").changes, waiting(databases)) == (0, 0)

    choose_mail_name(databases, people[0].person_id, "a@student.po.edu.pl", "s1000@student.po.edu.pl")
    reconcile_person(provisioner, people[0].person_id)
    change_person(databases, people[1].person_id, surname="Nowak")
    assert (sweep_dirty(provisioner), waiting(databases)) == (1, 0)
    assert make_plan(provisioner, "shell:test").changes == 0
    provisioner.close()


@pytest.fixture
def forgetful() -> FaultyTarget:
    return FaultyTarget(forgets=True)


@pytest.fixture
def provisioner(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, forgetful: FaultyTarget
) -> Iterator[Provisioner]:
    """One person, and a target that never shows anybody; after three tries it is let be."""
    made = make_provisioner(databases, directory, clock, others={"faulty": forgetful}, tries=3)
    add_students(databases, keys, [Student("p1", album="1001")])
    yield made
    made.close()


def test_somebody_whom_a_target_never_shows_is_tried_ever_more_rarely_and_given_up(
    provisioner: Provisioner, databases: Databases, forgetful: FaultyTarget, clock: ManualClock
) -> None:
    tries: list[float] = []
    for second in range(60):
        written = len(forgetful.did)
        sweep_dirty(provisioner)
        if len(forgetful.did) > written:
            tries.append(second)
        clock.advance(1)

    assert tries == [0, 5, 15]
    with databases.identity.read() as connection:
        assert given_up(connection) == [GivenUp("faulty", "p1", 3, "found otherwise after it was written")]
    assert events_of(databases, event_types.TARGET_GAVE_UP, "faulty") == 1
    assert (waiting(databases), make_plan(provisioner, "shell:test").changes) == (0, 0)


def test_somebody_who_was_given_up_is_tried_again_when_the_same_records_come_back(databases: Databases) -> None:
    with databases.identity.write() as connection:
        desire(connection, "ldap", [Desire("p1", "open", False)])
        confirm(connection, "ldap", [("p1", "open")], "run", NOW)
        desire(connection, "ldap", [Desire("p1", "shut", False)])
        assert [refused(connection, "ldap", [("p1", "no")], 2) for _ in range(2)] == [[], ["p1"]]
        desire(connection, "ldap", [Desire("p1", "shut", False)])  # looked at once more: nothing is new
        assert [one.tries for one in given_up(connection)] == [2]

        desire(connection, "ldap", [Desire("p1", "open", False)])
        desire(connection, "ldap", [Desire("p1", "shut", False)])

        assert given_up(connection) == []
        assert count_states(connection) == {"ldap": (1, 1)}
        assert [refused(connection, "ldap", [("p1", "no")], 2) for _ in range(2)] == [[], ["p1"]]


def test_somebody_whom_a_target_shows_at_last_begins_with_all_tries(
    provisioner: Provisioner, databases: Databases, forgetful: FaultyTarget, clock: ManualClock
) -> None:
    for _ in range(3):  # twice not, then it is there, and lost again
        for _ in range(2):
            sweep_dirty(provisioner)
            clock.advance(1000)
        forgetful.forgets = False
        sweep_dirty(provisioner)
        assert set(forgetful.entries) == {"p1"}
        forgetful.forgets = True
        forgetful.entries.clear()
        with databases.identity.write() as connection:
            doubt(connection, "faulty", ["p1"])
            mark_many_dirty(connection, ["p1"])

    with databases.identity.read() as connection:
        assert given_up(connection) == []
