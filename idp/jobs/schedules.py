"""Schedules: when something falls due by the university's clock, and doing it once, over however many workers.

Each moment at which a schedule falls due is one row: who inserts it does it. Of several moments that were missed, only
the last is made up. A firing whose worker fell silent is taken over, one that may succeed later is tried again: what
schedules do may be repeated.
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

HOLD_S = 120.0  # a worker that says nothing for so long while it does something counts as dead
RETRY_S = 30.0  # until what a target or another worker was in the way of is tried again
KEEP_DAYS = 400  # firings are kept as long as the runs that they made
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What a firing did, in a sentence, and the run that it made; `waits`: for people to approve it."""

    note: str
    run_id: str = ""
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """One thing that is done at certain times of certain days, and what does it."""

    times: tuple[time, ...]  # the university's wall clock
    act: Callable[[], Done]
    days: frozenset[int] = frozenset(range(7))  # 0 is Monday


# --- rules ----------------------------------------------------------------------------------------------------------


def last_due(schedule: Schedule, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the last moment, up to now, at which a schedule fell due; None when it never does.

    Noon is noon on the days of both clock changes, too. A time that a clock change leaves out falls due as much later
    as the clock jumps; one that comes twice falls due the first time.

    Shape:   12:00 daily, 2026-10-25T11:30Z in Warsaw (winter time since that night) -> 2026-10-25T11:00Z
    """
    return max((at for at in _around(schedule, now, zone, range(-8, 2)) if at <= now), default=None)


def next_due(schedule: Schedule, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the next moment after now at which a schedule falls due."""
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
    """All schedules of one installation, as one worker carries them out."""

    databases: Databases
    clock: Clock
    zone: ZoneInfo
    schedules: Mapping[str, Schedule]
    worker: str
    hold_s: float = HOLD_S

    def sweep(self) -> int:
        """Do what is due and nobody else does, and return how many things that were."""
        return sum(self._fire_if_due(name, schedule) for name, schedule in self.schedules.items())

    def run_now(self, name: str, actor: Actor) -> Done:
        """Do one thing now, whatever its times are. It has its own row, and its next time stays as it was.

        Raises:  NotAllowed
        """
        actor.require(Permission.RUNS_APPLY)
        act = self.schedules[name].act
        firing = self._firing(name, self.clock.now())
        with self.databases.identity.write() as connection:
            if not store.begin_firing(connection, firing):
                raise Conflict(f"{name} is being done now")
        return self._do(firing, act, is_raised=True)

    def _fire_if_due(self, name: str, schedule: Schedule) -> bool:
        now = self.clock.now()
        due = last_due(schedule, now, self.zone)
        if due is None:
            return False
        with self.databases.identity.read() as connection:
            last = store.last_firing(connection, name, now)
            # Not the last one alone: a newer one, done by hand, says nothing of one that was put off.
            silent = store.silent_firing(connection, name, due, now)
            is_seen_to = store.is_seen_to(connection, name, due, now)
        if is_seen_to:
            return silent is not None and self._take_over(silent, schedule)
        firing = self._firing(name, due)
        if last is None:  # a new installation, or a new schedule: nothing was missed
            firing = self._firing(name, due, state=store.SKIPPED)
        with self.databases.identity.write() as connection:
            is_mine = store.begin_firing(connection, firing)
            store.give_up_before(connection, name, due, now)
        if is_mine and last is not None:
            self._do(firing, schedule.act)
        return is_mine and last is not None

    def _take_over(self, silent: Firing, schedule: Schedule) -> bool:
        now = self.clock.timestamp()
        until = now + self.hold_s
        with self.databases.identity.write() as connection:
            if not store.reclaim(connection, silent, self.worker, until, now):
                return False
        if not silent.is_delayed:
            who = {"schedule": silent.name, "worker": silent.holder}
            log.warning("a schedule's worker fell silent", due_at=silent.due_at, **who)
        self._do(replace(silent, holder=self.worker, until=until, tries=silent.tries + 1), schedule.act)
        return True

    def _do(self, firing: Firing, act: Callable[[], Done], *, is_raised: bool = False) -> Done:
        try:
            with signing(lambda: self._stay(firing), self.hold_s / 6, schedule=firing.name):
                done = act()
        except IdpError as error:
            failed = Done(f"{error.code}: {error}")
            if not is_raised and (error.retryable or isinstance(error, Conflict)):
                self._delay(firing, failed)
            else:
                self._end(firing, store.FAILED, failed)
            if is_raised:
                raise
            log.warning("schedule failed", schedule=firing.name, code=error.code, error=str(error), tries=firing.tries)
            return failed
        except StoreError:  # a database that is busy or restarts: taken over as if the worker had died
            raise
        except Exception:
            self._end(firing, store.FAILED, Done("internal: see the log"))
            raise
        self._end(firing, store.DONE, done)
        return done

    def _stay(self, firing: Firing) -> None:
        """Say that the worker of a firing lives, however long it takes."""
        with self.databases.identity.write() as connection:
            store.stay(connection, firing, self.clock.timestamp() + self.hold_s)

    def _delay(self, firing: Firing, failed: Done) -> None:
        """Have a firing taken over soon, by whoever comes first; an event tells of its first failure alone."""
        now = self.clock.timestamp()
        with self.databases.identity.write() as connection:
            if store.delay(connection, firing, now + RETRY_S, failed.note) and firing.tries == 1:
                record(connection, now, _event(event_types.SCHEDULE_FAILED, firing, failed))

    def _end(self, firing: Firing, state: str, done: Done) -> None:
        now = self.clock.now()
        word = event_types.SCHEDULE_DONE if state == store.DONE else event_types.SCHEDULE_FAILED
        with self.databases.identity.write() as connection:
            is_ours = store.end_firing(connection, firing, state, done.run_id, done.note, now)
            # Counted from this one, so that a schedule's last firing always stays.
            store.forget_firings(connection, firing.name, firing.due_at - timedelta(days=KEEP_DAYS))
            if is_ours:
                record(connection, now.timestamp(), _event(word, firing, done))

    def _firing(self, name: str, due_at: datetime, *, state: str = store.RUNNING) -> Firing:
        now = self.clock.now()
        until = now.timestamp() + self.hold_s
        return Firing(name, due_at, state, self.worker, until, 1, now, None, "", "")


def _event(word: str, firing: Firing, done: Done) -> Event:
    data = {"due_at": firing.due_at.isoformat(), "run": done.run_id, "note": done.note}
    return Event(word, firing.name, SYSTEM, data=data)
