"""Firings of schedules: one row for each moment at which one fell due, so that several workers do it once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    select,
    update,
)

from idp.db.bulk import insert_once
from idp.jobs.tables import FiringState, schedule_firing

RUNNING, DONE, FAILED, SKIPPED = (state.value for state in FiringState)


@dataclass(frozen=True, slots=True)
class Firing:
    """One moment at which a schedule fell due, and what became of it."""

    name: str
    due_at: datetime
    state: str
    holder: str
    until: float
    tries: int
    started_at: datetime
    finished_at: datetime | None
    run_id: str
    note: str

    @property
    def is_delayed(self) -> bool:
        """Whether something was in its way, so that it is tried again and again."""
        return self.state == RUNNING and self.note != ""


def last_firing(connection: Connection, name: str, now: datetime) -> Firing | None:
    """Return the latest firing of a schedule that fell due up to now; one of a clock that was wrong is none."""
    return _latest(connection, name, schedule_firing.c.due_at <= now)


def _latest(connection: Connection, name: str, *which: ColumnElement[bool]) -> Firing | None:
    mine = select(schedule_firing).where(schedule_firing.c.name == name, *which)
    row = connection.execute(mine.order_by(schedule_firing.c.due_at.desc()).limit(1)).one_or_none()
    return None if row is None else Firing(**row._mapping)


def is_seen_to(connection: Connection, name: str, due: datetime, now: datetime) -> bool:
    """Return whether what fell due at a moment was begun, or done by hand since; a try by hand that failed is none."""
    mine = (schedule_firing.c.name == name) & schedule_firing.c.due_at.between(due, now)
    counts = (schedule_firing.c.due_at == due) | (schedule_firing.c.state != FAILED)
    return connection.execute(select(schedule_firing.c.name).where(mine, counts).limit(1)).first() is not None


def silent_firing(connection: Connection, name: str, since: datetime, now: datetime) -> Firing | None:
    """Return the latest firing since some moment that nobody works at: put off, or of a worker that fell silent."""
    silent = (schedule_firing.c.state == RUNNING) & (schedule_firing.c.until <= now.timestamp())
    return _latest(connection, name, silent, schedule_firing.c.due_at.between(since, now))


def told_firing(connection: Connection, name: str, now: datetime) -> Firing | None:
    """Return what is to be told of a schedule: its firing that is put off, if one is, and else its last one."""
    is_delayed = (schedule_firing.c.state == RUNNING) & (schedule_firing.c.note != "")
    put_off_one = _latest(connection, name, is_delayed, schedule_firing.c.due_at <= now)
    return put_off_one or last_firing(connection, name, now)


def told_firings(connection: Connection, now: datetime) -> list[Firing]:
    """Return what is to be told of every schedule, sorted by name."""
    names = connection.execute(select(schedule_firing.c.name).distinct().order_by(schedule_firing.c.name)).scalars()
    return [firing for name in names.all() if (firing := told_firing(connection, name, now)) is not None]


def forget_firings(connection: Connection, name: str, before: datetime) -> int:
    """Delete a schedule's finished firings that fell due before a moment, and return how many."""
    mine = (schedule_firing.c.name == name) & (schedule_firing.c.state != RUNNING)
    return connection.execute(delete(schedule_firing).where(mine, schedule_firing.c.due_at < before)).rowcount


def begin_firing(connection: Connection, new: Firing) -> bool:
    """Write that a firing has begun; False when another worker was first."""
    return insert_once(
        connection, schedule_firing, {column.name: getattr(new, column.name) for column in schedule_firing.c}
    )


def give_up_before(connection: Connection, name: str, due_at: datetime, now: datetime) -> None:
    """Close the firings before a moment that nobody works at: the one of that moment does what they did not."""
    older = (schedule_firing.c.name == name) & (schedule_firing.c.due_at < due_at)
    silent = (schedule_firing.c.state == RUNNING) & (schedule_firing.c.until <= now.timestamp())
    connection.execute(update(schedule_firing).where(older, silent).values(state=FAILED, finished_at=now))


def reclaim(connection: Connection, firing: Firing, holder: str, until: float, now: float) -> bool:
    """Go on with a firing whose worker fell silent; False when somebody else does."""
    taken = connection.execute(
        update(schedule_firing)
        .where(
            schedule_firing.c.name == firing.name,
            schedule_firing.c.due_at == firing.due_at,
            schedule_firing.c.state == RUNNING,
            schedule_firing.c.until <= now,
        )
        .values(holder=holder, until=until, tries=schedule_firing.c.tries + 1)
    )
    return taken.rowcount == 1


def stay(connection: Connection, firing: Firing, until: float) -> None:
    """Say that the worker of a firing lives."""
    connection.execute(update(schedule_firing).where(*_is(firing)).values(until=until))


def delay(connection: Connection, firing: Firing, until: float, note: str) -> bool:
    """Leave a firing that failed to whoever comes first after a moment; False when another worker has it by now."""
    values = {"until": until, "note": note[:500]}
    return connection.execute(update(schedule_firing).where(*_is(firing)).values(values)).rowcount == 1


def end_firing(connection: Connection, firing: Firing, state: str, run_id: str, note: str, at: datetime) -> bool:
    """Write what became of a firing; False when another worker has taken it over: that one says what became of it."""
    values = {"state": state, "run_id": run_id, "note": note[:500], "finished_at": at}
    return connection.execute(update(schedule_firing).where(*_is(firing)).values(values)).rowcount == 1


def _is(firing: Firing) -> tuple[ColumnElement[bool], ...]:
    return (
        schedule_firing.c.name == firing.name,
        schedule_firing.c.due_at == firing.due_at,
        schedule_firing.c.holder == firing.holder,
        schedule_firing.c.state == RUNNING,
    )
