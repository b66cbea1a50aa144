"""Firings of schedules: one row for each due time, so that several workers do it once."""

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
    """One due time of a schedule and its outcome."""

    name: str
    due_at: datetime
    state: str
    holder: str
    lease_until: float
    attempts: int
    started_at: datetime
    finished_at: datetime | None
    run_id: str
    note: str

    @property
    def is_delayed(self) -> bool:
        """Whether it failed and is tried again."""
        return self.state == RUNNING and self.note != ""


def last_firing(connection: Connection, name: str, now: datetime) -> Firing | None:
    """Return the latest firing of a schedule that was due by now. Firings from a clock that ran ahead do not count."""
    return _latest(connection, name, schedule_firing.c.due_at <= now)


def _latest(connection: Connection, name: str, *which: ColumnElement[bool]) -> Firing | None:
    mine = select(schedule_firing).where(schedule_firing.c.name == name, *which)
    row = connection.execute(mine.order_by(schedule_firing.c.due_at.desc()).limit(1)).one_or_none()
    return None if row is None else Firing(**row._mapping)


def is_seen_to(connection: Connection, name: str, due: datetime, now: datetime) -> bool:
    """Return whether the firing due at a moment was begun, or done by hand since (unless that failed)."""
    mine = (schedule_firing.c.name == name) & schedule_firing.c.due_at.between(due, now)
    counts = (schedule_firing.c.due_at == due) | (schedule_firing.c.state != FAILED)
    return connection.execute(select(schedule_firing.c.name).where(mine, counts).limit(1)).first() is not None


def silent_firing(connection: Connection, name: str, since: datetime, now: datetime) -> Firing | None:
    """Return the latest firing since a moment that no worker has: delayed, or its lease has expired."""
    silent = (schedule_firing.c.state == RUNNING) & (schedule_firing.c.lease_until <= now.timestamp())
    return _latest(connection, name, silent, schedule_firing.c.due_at.between(since, now))


def told_firing(connection: Connection, name: str, now: datetime) -> Firing | None:
    """Return the firing to show for a schedule: the delayed one if there is one, otherwise the last one."""
    is_delayed = (schedule_firing.c.state == RUNNING) & (schedule_firing.c.note != "")
    delayed = _latest(connection, name, is_delayed, schedule_firing.c.due_at <= now)
    return delayed or last_firing(connection, name, now)


def told_firings(connection: Connection, now: datetime) -> list[Firing]:
    """Return the firing to show for each schedule, sorted by name."""
    names = connection.execute(select(schedule_firing.c.name).distinct().order_by(schedule_firing.c.name)).scalars()
    return [firing for name in names.all() if (firing := told_firing(connection, name, now)) is not None]


def forget_firings(connection: Connection, name: str, before: datetime) -> int:
    """Delete a schedule's finished firings that were due before a moment, and return how many."""
    mine = (schedule_firing.c.name == name) & (schedule_firing.c.state != RUNNING)
    return connection.execute(delete(schedule_firing).where(mine, schedule_firing.c.due_at < before)).rowcount


def begin_firing(connection: Connection, new: Firing) -> bool:
    """Store that a firing has begun; False if another worker was first."""
    return insert_once(
        connection, schedule_firing, {column.name: getattr(new, column.name) for column in schedule_firing.c}
    )


def give_up_before(connection: Connection, name: str, due_at: datetime, now: datetime) -> None:
    """Fail the older firings that no worker has: the firing of `due_at` does their work."""
    older = (schedule_firing.c.name == name) & (schedule_firing.c.due_at < due_at)
    silent = (schedule_firing.c.state == RUNNING) & (schedule_firing.c.lease_until <= now.timestamp())
    connection.execute(update(schedule_firing).where(older, silent).values(state=FAILED, finished_at=now))


def reclaim(connection: Connection, firing: Firing, holder: str, lease_until: float, now: float) -> bool:
    """Take a firing whose lease has expired; False if another worker has it."""
    taken = connection.execute(
        update(schedule_firing)
        .where(
            schedule_firing.c.name == firing.name,
            schedule_firing.c.due_at == firing.due_at,
            schedule_firing.c.state == RUNNING,
            schedule_firing.c.lease_until <= now,
        )
        .values(holder=holder, lease_until=lease_until, attempts=schedule_firing.c.attempts + 1)
    )
    return taken.rowcount == 1


def heartbeat(connection: Connection, firing: Firing, lease_until: float) -> None:
    """Renew the lease on a firing: its worker is alive."""
    connection.execute(update(schedule_firing).where(*_is(firing)).values(lease_until=lease_until))


def delay(connection: Connection, firing: Firing, lease_until: float, note: str) -> bool:
    """Let any worker try a failed firing again after `lease_until`; False if another worker has it by now."""
    values = {"lease_until": lease_until, "note": note[:500]}
    return connection.execute(update(schedule_firing).where(*_is(firing)).values(values)).rowcount == 1


def end_firing(connection: Connection, firing: Firing, state: str, run_id: str, note: str, at: datetime) -> bool:
    """Store the outcome of a firing; False if another worker has reclaimed it and stores the outcome instead."""
    values = {"state": state, "run_id": run_id, "note": note[:500], "finished_at": at}
    return connection.execute(update(schedule_firing).where(*_is(firing)).values(values)).rowcount == 1


def _is(firing: Firing) -> tuple[ColumnElement[bool], ...]:
    return (
        schedule_firing.c.name == firing.name,
        schedule_firing.c.due_at == firing.due_at,
        schedule_firing.c.holder == firing.holder,
        schedule_firing.c.state == RUNNING,
    )
