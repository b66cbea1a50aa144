"""Schedules fire once, over however many workers, and missed ones are made up once; on both kinds of database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, time

import pytest
from sqlalchemy import select

from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import Conflict, IdpError, TargetRejected, TargetUnavailable
from idp.jobs import schedule_queries as store
from idp.jobs.schedules import LEASE_S, RETRY_S, Done, Schedule, Timetable
from idp.jobs.tables import schedule_firing
from tests.support.actors import SHELL
from tests.support.clock import ManualClock
from tests.support.imports import ZONE
from tests.support.workers import until

DAY_S = 24 * 3600


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> Done:
        self.rung += 1
        return Done("rung", "run-1")


@pytest.fixture
def bell() -> Bell:
    return Bell()


def worker(databases: Databases, clock: ManualClock, act: Callable[[], Done], name: str = "one") -> Timetable:
    return Timetable(databases, clock, ZONE, {"sync": Schedule((time(12),), act)}, name)


def last(databases: Databases) -> store.Firing:
    with databases.identity.read() as connection:
        found = store.last_firing(connection, "sync", datetime.max.replace(tzinfo=UTC))
    assert found is not None
    return found


def test_a_new_installation_has_missed_nothing(databases: Databases, clock: ManualClock, bell: Bell) -> None:
    table = worker(databases, clock, bell)

    assert [table.sweep(), table.sweep()] == [0, 0]
    assert (bell.rung, last(databases).state) == (0, store.SKIPPED)


def test_what_falls_due_is_done_once_and_noted(databases: Databases, clock: ManualClock, bell: Bell) -> None:
    table = worker(databases, clock, bell)
    table.sweep()
    clock.advance(DAY_S)

    assert [table.sweep(), table.sweep()] == [1, 0]
    assert bell.rung == 1
    done = last(databases)
    assert (done.state, done.run_id, done.note) == (store.DONE, "run-1", "rung")
    assert done.due_at == datetime(2026, 10, 2, 10, 0, tzinfo=UTC)
    with databases.identity.read() as connection:
        kinds = connection.execute(select(event_pending.c.kind)).scalars().all()
    assert kinds == ["schedule.done"]


def test_of_those_that_were_missed_only_the_last_is_made_up(
    databases: Databases, clock: ManualClock, bell: Bell
) -> None:
    table = worker(databases, clock, bell)
    table.sweep()
    clock.advance(5 * DAY_S + 3600)

    assert [table.sweep(), table.sweep()] == [1, 0]
    assert (bell.rung, last(databases).due_at) == (1, datetime(2026, 10, 6, 10, 0, tzinfo=UTC))


def test_several_workers_do_it_once(databases: Databases, clock: ManualClock, bell: Bell) -> None:
    tables = [worker(databases, clock, bell, name) for name in ("one", "two", "three", "four")]
    tables[0].sweep()

    for _ in range(5):
        clock.advance(DAY_S)
        with ThreadPoolExecutor(len(tables)) as pool:
            assert sum(pool.map(Timetable.sweep, tables)) == 1

    assert bell.rung == 5


def test_one_whose_worker_fell_silent_is_taken_over_by_one(
    databases: Databases, clock: ManualClock, bell: Bell
) -> None:
    def die() -> Done:
        raise KeyboardInterrupt

    worker(databases, clock, die).sweep()
    clock.advance(DAY_S)
    with pytest.raises(KeyboardInterrupt):
        worker(databases, clock, die).sweep()
    second, third = (worker(databases, clock, bell, name) for name in ("two", "three"))

    early = second.sweep()
    clock.advance(LEASE_S + 1)
    late = [second.sweep(), third.sweep()]

    assert (early, late, bell.rung) == (0, [1, 0], 1)
    assert (last(databases).state, last(databases).holder, last(databases).attempts) == (store.DONE, "two", 2)


def test_one_that_takes_long_is_not_taken_over_while_its_worker_lives(
    databases: Databases, clock: ManualClock, bell: Bell
) -> None:
    other = worker(databases, clock, bell, "two")

    def take_long() -> Done:
        for _ in range(3):
            clock.advance(LEASE_S - 1)
            until(lambda: last(databases).lease_until > clock.timestamp(), within_s=20)
            assert other.sweep() == 0
        return Done("at last")

    table = replace(worker(databases, clock, take_long), lease_s=0.6)
    table.sweep()
    clock.advance(DAY_S)

    assert table.sweep() == 1
    assert (last(databases).note, last(databases).attempts, bell.rung) == ("at last", 1, 0)


def test_one_that_failed_says_why_and_comes_again_at_its_next_time(databases: Databases, clock: ManualClock) -> None:
    def fail() -> Done:
        raise TargetRejected("no right to read")

    table = worker(databases, clock, fail)
    table.sweep()
    clock.advance(DAY_S)

    assert [table.sweep(), table.sweep()] == [1, 0]
    assert (last(databases).state, last(databases).note) == (store.FAILED, "target_rejected: no right to read")
    clock.advance(DAY_S)
    assert table.sweep() == 1


@pytest.mark.parametrize("error", [TargetUnavailable("no answer"), Conflict("somebody imports")])
def test_one_that_something_was_in_the_way_of_is_tried_until_it_is_done(
    databases: Databases, clock: ManualClock, error: IdpError
) -> None:
    in_the_way = [error] * 5

    def act() -> Done:
        if in_the_way:
            raise in_the_way.pop()
        return Done("done after all")

    tables = [worker(databases, clock, act, name) for name in ("one", "two")]
    tables[0].sweep()
    clock.advance(DAY_S)

    done = []
    for _ in range(6):
        done.append(sum(table.sweep() for table in tables))
        clock.advance(RETRY_S)

    assert done == [1] * 6
    found = last(databases)
    assert (found.state, found.note, found.attempts) == (store.DONE, "done after all", 6)
    assert [table.sweep() for table in tables] == [0, 0]
    with databases.identity.read() as connection:
        kinds = connection.execute(select(event_pending.c.kind)).scalars().all()
    assert kinds == ["schedule.failed", "schedule.done"]


def test_one_that_is_put_off_is_tried_again_although_somebody_tried_it_by_hand_and_failed(
    databases: Databases, clock: ManualClock
) -> None:
    away = [True]

    def act() -> Done:
        if away:
            raise TargetUnavailable("no answer")
        return Done("done after all")

    table = worker(databases, clock, act)
    table.sweep()
    clock.advance(DAY_S)
    assert table.sweep() == 1
    clock.advance(10)
    with pytest.raises(TargetUnavailable):
        worker(databases, clock, act, "shell:jan").run_now("sync", SHELL)
    with databases.identity.read() as connection:
        (told,) = store.told_firings(connection, clock.now())
    assert (told.is_delayed, told.due_at) == (True, datetime(2026, 10, 2, 10, 0, tzinfo=UTC))

    away.clear()
    clock.advance(RETRY_S)

    assert [table.sweep(), table.sweep()] == [1, 0]
    with databases.identity.read() as connection:
        rows = connection.execute(select(schedule_firing).order_by(schedule_firing.c.due_at)).all()
        (told,) = store.told_firings(connection, clock.now())
    assert [row.state for row in rows] == [store.SKIPPED, store.DONE, store.FAILED]
    assert (rows[1].note, told.is_delayed) == ("done after all", False)


@pytest.mark.parametrize("is_away", [True, False])
def test_one_that_was_missed_is_made_up_unless_somebody_did_it_by_hand_since(
    databases: Databases, clock: ManualClock, is_away: bool
) -> None:
    done: list[datetime] = []

    def act() -> Done:
        if is_away and not done:
            done.append(clock.now())
            raise TargetUnavailable("no answer")
        return Done("done")

    table = worker(databases, clock, act)
    table.sweep()
    clock.advance(DAY_S + 3600)  # no worker lived at noon
    with suppress(TargetUnavailable):
        worker(databases, clock, act, "shell:jan").run_now("sync", SHELL)
    clock.advance(60)

    assert [table.sweep(), table.sweep()] == [int(is_away), 0]


def test_one_that_is_put_off_until_it_falls_due_again_has_failed(databases: Databases, clock: ManualClock) -> None:
    away = [True]

    def act() -> Done:
        if away:
            raise TargetUnavailable("no answer")
        return Done("done")

    table = worker(databases, clock, act)
    table.sweep()
    clock.advance(DAY_S)
    assert table.sweep() == 1
    away.clear()
    clock.advance(DAY_S)

    assert [table.sweep(), table.sweep()] == [1, 0]
    with databases.identity.read() as connection:
        rows = connection.execute(select(schedule_firing).order_by(schedule_firing.c.due_at)).all()
    assert [row.state for row in rows] == [store.SKIPPED, store.FAILED, store.DONE]


def test_one_that_was_taken_over_is_told_of_by_the_worker_that_has_it(databases: Databases, clock: ManualClock) -> None:
    second = worker(databases, clock, lambda: Done("by the second"), "two")

    def act() -> Done:
        clock.advance(LEASE_S + 1)  # this worker was stopped meanwhile
        assert second.sweep() == 1
        return Done("by the first")

    first = worker(databases, clock, act)
    first.sweep()
    clock.advance(DAY_S)

    assert first.sweep() == 1
    assert (last(databases).note, last(databases).holder) == ("by the second", "two")
    with databases.identity.read() as connection:
        kinds = connection.execute(select(event_pending.c.kind)).scalars().all()
    assert kinds == ["schedule.done"]


def test_one_that_is_done_by_hand_and_fails_is_not_tried_again(databases: Databases, clock: ManualClock) -> None:
    def fail() -> Done:
        raise TargetUnavailable("no answer")

    table = worker(databases, clock, fail)
    table.sweep()
    clock.advance(60)

    with pytest.raises(TargetUnavailable):
        table.run_now("sync", SHELL)
    clock.advance(RETRY_S)

    assert (table.sweep(), last(databases).state) == (0, store.FAILED)


def test_a_clock_that_ran_ahead_for_a_while_stops_no_schedule(
    databases: Databases, clock: ManualClock, bell: Bell
) -> None:
    table = worker(databases, clock, bell)
    table.sweep()
    right = clock.now()
    clock.advance(30 * DAY_S)
    table.sweep()
    clock.set(right)

    for _ in range(5):
        clock.advance(DAY_S)
        assert table.sweep() == 1

    assert bell.rung == 6


def test_old_firings_are_forgotten_and_the_last_one_stays(databases: Databases, clock: ManualClock, bell: Bell) -> None:
    table = worker(databases, clock, bell)
    table.sweep()
    for days in (1, 300, 200):
        clock.advance(days * DAY_S)
        table.sweep()

    with databases.identity.read() as connection:
        kept = connection.execute(select(schedule_firing.c.due_at)).scalars().all()
    assert len(kept) == 2


def test_doing_it_by_hand_leaves_its_times_as_they_are(databases: Databases, clock: ManualClock, bell: Bell) -> None:
    table = worker(databases, clock, bell)
    table.sweep()
    clock.advance(3600)

    assert table.run_now("sync", SHELL).note == "rung"
    clock.advance(DAY_S - 3600)

    assert table.sweep() == 1
    assert bell.rung == 2
