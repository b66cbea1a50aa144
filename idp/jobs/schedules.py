"""Schedules: work at fixed times of the university's clock, done once by any number of workers.

Each due time is one row, and the worker that inserts it does the work. Of several missed times, only the last is made
up. A worker reclaims a firing whose lease has expired. A firing that may succeed later is tried again. So the work of a
schedule must be repeatable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from idp.audit import event_types
from idp.audit.events import SYSTEM, Event, record
from idp.clock import Clock
from idp.db.databases import Databases, StoreError
from idp.errors import Conflict, IdpError
from idp.jobs import schedule_queries as store
from idp.jobs.liveness import signing
from idp.jobs.schedule_queries import Firing
from idp.permissions import Actor, Permission

LEASE_S = 120.0  # a worker that renews no lease for so long counts as dead
RETRY_S = 30.0  # until a firing that a target or another worker blocked is tried again
KEEP_DAYS = 400  # firings are kept as long as the runs that they made
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What a firing did, in a sentence, and the run that it made. `waits`: the run needs an approval."""

    note: str
    run_id: str = ""
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """Work for certain times of certain days, and the function that does it."""

    times: tuple[time, ...]  # the university's wall clock
    act: Callable[[], Done]
    days: frozenset[int] = frozenset(range(7))  # 0 is Monday


# --- rules ----------------------------------------------------------------------------------------------------------


def last_due(schedule: Schedule, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the last due time up to now; None for a schedule without times.

    Noon is noon on the days of both clock changes. A time that the clock skips is due as much later as the clock jumps.
    A time that comes twice is due the first time.

    Shape:   12:00 daily, 2026-10-25T11:30Z in Warsaw (winter time since that night) -> 2026-10-25T11:00Z
    """
    return max((at for at in _around(schedule, now, zone, range(-8, 2)) if at <= now), default=None)


def next_due(schedule: Schedule, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the next due time after now."""
    return min((at for at in _around(schedule, now, zone, range(-1, 9)) if at > now), default=None)


def _around(schedule: Schedule, now: datetime, zone: ZoneInfo, days: range) -> list[datetime]:
    today = now.astimezone(zone).date()
    dates = [today + timedelta(days=number) for number in days]
    return [
        datetime.combine(date, at, tzinfo=zone).astimezone(UTC)
        for date in dates
        if date.weekday() in schedule.days
        for at in schedule.times
    ]


# --- steps ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Timetable:
    """All schedules of one installation, as one worker executes them."""

    databases: Databases
    clock: Clock
    zone: ZoneInfo
    schedules: Mapping[str, Schedule]
    worker: str
    lease_s: float = LEASE_S

    def sweep(self) -> int:
        """Do what is due and no other worker does; return how many firings that were."""
        return sum(self._fire_if_due(name, schedule) for name, schedule in self.schedules.items())

    def run_now(self, name: str, actor: Actor) -> Done:
        """Do a schedule's work now. It gets a firing of its own, and the next due time stays.

        Raises:  NotAllowed
        """
        actor.require(Permission.RUNS_APPLY)
        act = self.schedules[name].act
        firing = self._firing(name, self.clock.now())
        with self.databases.identity.write() as connection:
            if not store.begin_firing(connection, firing):
                raise Conflict(f"the schedule {name} is running now")
        return self._do(firing, act, is_raised=True)

    def _fire_if_due(self, name: str, schedule: Schedule) -> bool:
        now = self.clock.now()
        due = last_due(schedule, now, self.zone)
        if due is None:
            return False
        with self.databases.identity.read() as connection:
            last = store.last_firing(connection, name, now)
            # Look beyond the last firing: a newer one, done by hand, does not end one that was delayed.
            silent = store.silent_firing(connection, name, due, now)
            is_seen_to = store.is_seen_to(connection, name, due, now)
        if is_seen_to:
            return silent is not None and self._reclaim(silent, schedule)
        firing = self._firing(name, due)
        if last is None:  # a new installation, or a new schedule: nothing was missed
            firing = self._firing(name, due, state=store.SKIPPED)
        with self.databases.identity.write() as connection:
            is_mine = store.begin_firing(connection, firing)
            store.give_up_before(connection, name, due, now)
        if is_mine and last is not None:
            self._do(firing, schedule.act)
        return is_mine and last is not None

    def _reclaim(self, silent: Firing, schedule: Schedule) -> bool:
        now = self.clock.timestamp()
        lease_until = now + self.lease_s
        with self.databases.identity.write() as connection:
            if not store.reclaim(connection, silent, self.worker, lease_until, now):
                return False
        if not silent.is_delayed:
            who = {"schedule": silent.name, "worker": silent.holder}
            log.warning("reclaimed a schedule from a silent worker", due_at=silent.due_at, **who)
        self._do(
            replace(silent, holder=self.worker, lease_until=lease_until, attempts=silent.attempts + 1), schedule.act
        )
        return True

    def _do(self, firing: Firing, act: Callable[[], Done], *, is_raised: bool = False) -> Done:
        try:
            with signing(lambda: self._heartbeat(firing), self.lease_s / 6, schedule=firing.name):
                done = act()
        except IdpError as error:
            failed = Done(f"{error.code}: {error}")
            if not is_raised and (error.retryable or isinstance(error, Conflict)):
                self._delay(firing, failed)
            else:
                self._end(firing, store.FAILED, failed)
            if is_raised:
                raise
            log.warning(
                "schedule failed", schedule=firing.name, code=error.code, error=str(error), attempts=firing.attempts
            )
            return failed
        except StoreError:  # a database that is busy or restarts: another worker reclaims the firing
            raise
        except Exception:
            self._end(firing, store.FAILED, Done("internal: see the log"))
            raise
        self._end(firing, store.DONE, done)
        return done

    def _heartbeat(self, firing: Firing) -> None:
        """Renew the lease on a firing, however long the work takes."""
        with self.databases.identity.write() as connection:
            store.heartbeat(connection, firing, self.clock.timestamp() + self.lease_s)

    def _delay(self, firing: Firing, failed: Done) -> None:
        """Let any worker try a firing again soon. Only its first failure is an event."""
        now = self.clock.timestamp()
        with self.databases.identity.write() as connection:
            if store.delay(connection, firing, now + RETRY_S, failed.note) and firing.attempts == 1:
                record(connection, now, _event(event_types.SCHEDULE_FAILED, firing, failed))

    def _end(self, firing: Firing, state: str, done: Done) -> None:
        now = self.clock.now()
        word = event_types.SCHEDULE_DONE if state == store.DONE else event_types.SCHEDULE_FAILED
        with self.databases.identity.write() as connection:
            is_ours = store.end_firing(connection, firing, state, done.run_id, done.note, now)
            # Counted from this firing, so that a schedule's last firing is always kept.
            store.forget_firings(connection, firing.name, firing.due_at - timedelta(days=KEEP_DAYS))
            if is_ours:
                record(connection, now.timestamp(), _event(word, firing, done))

    def _firing(self, name: str, due_at: datetime, *, state: str = store.RUNNING) -> Firing:
        now = self.clock.now()
        lease_until = now.timestamp() + self.lease_s
        return Firing(name, due_at, state, self.worker, lease_until, 1, now, None, "", "")


def _event(word: str, firing: Firing, done: Done) -> Event:
    data = {"due_at": firing.due_at.isoformat(), "run": done.run_id, "note": done.note}
    return Event(word, firing.name, SYSTEM, data=data)
