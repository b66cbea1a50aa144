"""One run at work, one attempt of it, and how targets are paced, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from idp.db import workers
from idp.db.databases import Databases
from idp.provisioning import health_queries, run_queries
from idp.provisioning.run import ChangeRow, ChangeState, Runner, RunState, TargetSummary

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)


def make_run(databases: Databases, run_id: str, people: int = 0, at: datetime = NOW) -> str:
    with databases.identity.write() as connection:
        run_queries.begin_plan(connection, run_id, at, "shell:test")
        rows = [
            ChangeRow(number, "ldap", f"p{number}", "create", f"u{number}", None, "[]", "student", f"d{number}")
            for number in range(1, people + 1)
        ]
        run_queries.add_to_plan(connection, run_id, rows, [])
        run_queries.end_plan(connection, run_id, "digest", {"ldap": TargetSummary(0, {"create": people})})
        run_queries.move(connection, run_id, RunState.APPROVED, requested_by="shell:test")
    return run_id


def start_attempt(databases: Databases, run_id: str, attempt: int = 0) -> bool:
    with databases.identity.write() as connection:
        return run_queries.start_attempt(connection, run_id, attempt, Runner.ENGINE, NOW)


def test_of_many_who_take_up_runs_at_once_one_succeeds(databases: Databases) -> None:
    ids = [make_run(databases, f"r{number}") for number in range(4)] * 2

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda run_id: start_attempt(databases, run_id), ids))

    assert sum(taken) == 1
    with databases.identity.read() as connection:
        assert run_queries.running(connection) == ids[taken.index(True)]


def test_an_older_attempt_stops_and_ends_nothing(databases: Databases) -> None:
    run_id = make_run(databases, "r1")
    assert start_attempt(databases, run_id)
    with databases.identity.write() as connection:
        assert run_queries.note_progress(connection, run_id, 1, NOW)
        assert run_queries.end_attempt(connection, run_id, 1, RunState.INCOMPLETE, next_attempt_at=NOW, error="x" * 900)
    assert start_attempt(databases, run_id, attempt=1)

    with databases.identity.write() as connection:
        assert not run_queries.note_progress(connection, run_id, 1, NOW)
        assert not run_queries.end_attempt(connection, run_id, 1, RunState.APPLIED)
        assert run_queries.is_going(connection, run_id, 2)
        assert run_queries.note_progress(connection, run_id, 2, NOW)


def test_a_run_that_is_taken_up_with_an_old_number_is_left_alone(databases: Databases) -> None:
    run_id = make_run(databases, "r1")
    assert not start_attempt(databases, run_id, attempt=3)
    with databases.identity.write() as connection:
        run_queries.skip_attempt(connection, run_id, 1)
    assert start_attempt(databases, run_id, attempt=1)


def test_portions_are_found_by_what_is_open_in_them(databases: Databases) -> None:
    run_id = make_run(databases, "r1", people=65)
    with databases.identity.write() as connection:
        assert run_queries.open_chunks(connection, run_id, "ldap", None, 30) == [0, 1, 2]
        run_queries.settle(connection, run_id, NOW, [(number, ChangeState.DONE, "") for number in range(31, 61)])
        assert run_queries.open_chunks(connection, run_id, "ldap", ("create",), 30) == [0, 2]
        assert run_queries.open_chunks(connection, run_id, "ldap", ("disable",), 30) == []
        assert run_queries.count_by_target(connection, run_id) == {"ldap": {ChangeState.OPEN: 35, ChangeState.DONE: 30}}


def test_old_runs_go_with_their_changes_and_one_at_work_stays(databases: Databases) -> None:
    old, at_work, new = (
        make_run(databases, "r1", 3, NOW - timedelta(days=500)),
        make_run(databases, "r2", 3, NOW - timedelta(days=450)),
        make_run(databases, "r3", 3),
    )
    assert start_attempt(databases, at_work)
    before = NOW - timedelta(days=400)

    with databases.identity.write() as connection:
        assert run_queries.any_before(connection, before)
        assert run_queries.forget_runs(connection, before, 20) == 1
        assert not run_queries.any_before(connection, before)
        assert (run_queries.load_run(connection, old), run_queries.changes_of(connection, old)) == (None, [])
        assert len(run_queries.changes_of(connection, at_work)) == len(run_queries.changes_of(connection, new)) == 3


def test_a_pace_is_shared_by_all_who_ask(databases: Databases) -> None:
    def ask(_: int) -> float:
        with databases.sessions.write() as connection:
            return health_queries.grant(connection, "ldap", 1000.0, cost_s=0.5)

    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(ask, range(8)))

    assert waits[0] == 0.0
    # On PostgreSQL its own clock runs on between the questions.
    assert 3.0 <= waits[-1] <= 3.5


def test_a_failing_target_is_counted_and_recovers_once(databases: Databases) -> None:
    with databases.sessions.write() as connection:
        for number in (1, 2):
            health_queries.note_failure(connection, "ldap", 1000.0 + number, 1010.0 + number, "busy")
        found = health_queries.health_of(connection, "ldap")
        assert found is not None
        assert (found.failures, found.since, found.open_until, found.error) == (2, 1001.0, 1012.0, "busy")
        assert set(health_queries.failing(connection)) == {"ldap"}
        assert health_queries.note_recovery(connection, "ldap")
        assert not health_queries.note_recovery(connection, "ldap")
        assert health_queries.health_of(connection, "ldap") is None


def test_a_worker_lives_as_long_as_it_said(databases: Databases) -> None:
    with databases.sessions.write() as connection:
        workers.sign(connection, "a", 1000.0, 20.0, executes_runs=True, version="1")
        workers.sign(connection, "b", 1000.0, -0.001)
        workers.sign(connection, "c", 1000.0, 20.0)
        assert [one.worker_id for one in workers.alive(connection, 1000.0)] == ["a", "c"]
        workers.sign(connection, "a", 1000.0, -0.001)
        workers.sign(connection, "b", 1000.0, 20.0, executes_runs=True, version="2")
        workers.leave(connection, "c")
        assert [(one.worker_id, one.version) for one in workers.alive(connection, 1000.0)] == [("b", "2")]
        workers.forget_silent(connection, 1000.0, 60.0)
        assert workers.seen_at(connection, "a") is not None
        workers.forget_silent(connection, 1000.0, -1.0)
        assert workers.last_seen(connection) is None


@pytest.mark.parametrize("ahead_s", [-3600.0, 16.0])
def test_a_machine_whose_clock_is_wrong_takes_nobody_for_dead(databases: Databases, ahead_s: float) -> None:
    if databases.sessions.is_sqlite:  # one machine, and one clock
        return
    with databases.sessions.write() as connection:
        workers.sign(connection, "right", 1000.0, 15.0)
        workers.sign(connection, "wrong", 1000.0 + ahead_s, 15.0)
        for now in (1000.0, 1000.0 + ahead_s):
            assert [one.worker_id for one in workers.alive(connection, now)] == ["right", "wrong"]
