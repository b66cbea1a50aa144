"""The circuit breaker and the pace of each target, for all workers together.

A target that fails is not called for a while, longer each time. The next one who comes tries it. One success closes the
breaker.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.errors import TargetError, TargetUnavailable
from idp.provisioning import health_queries, state_queries
from idp.provisioning.health_queries import Health
from idp.provisioning.provisioner import Provisioner

TOLD_FROM = 3  # failures in a row: an outage, and not a hiccup

log = structlog.get_logger(__name__)
_chance = random.Random()  # noqa: S311 - spreads tries, guards nothing


def health_of(provisioner: Provisioner, kind: str) -> Health | None:
    """Return how a target fails; None: it does not."""
    with provisioner.databases.sessions.read() as connection:
        return health_queries.health_of(connection, kind)


def open_for(provisioner: Provisioner, kind: str) -> float:
    """Return for how many seconds nobody is to try this target; 0: try."""
    found = health_of(provisioner, kind)
    return 0.0 if found is None else max(0.0, found.open_until - provisioner.clock.timestamp())


def refuse_if_open(provisioner: Provisioner, kind: str) -> None:
    """Return if this target may be tried.

    Raises:  TargetUnavailable with what it said last, without asking it
    """
    found = health_of(provisioner, kind)
    if found is not None and found.open_until > provisioner.clock.timestamp():
        raise TargetUnavailable(found.error)


def note_failure(provisioner: Provisioner, kind: str, error: Exception) -> float:
    """Count a failure of a target, and return for how many seconds nobody calls it.

    Effect:  others who fail in that time count as the same failure; the third in a row is an event
    """
    now = provisioner.clock.timestamp()
    with provisioner.databases.sessions.write() as connection:
        found = health_queries.health_of(connection, kind)
        if found is not None and found.open_until > now:
            return found.open_until - now
        failures = 1 if found is None else found.failures + 1
        wait_s = pause_s(provisioner, failures)
        if isinstance(error, TargetUnavailable) and error.retry_after_s is not None:
            wait_s = max(wait_s, error.retry_after_s)
        health_queries.note_failure(connection, kind, now, now + wait_s, str(error))
        if failures == TOLD_FROM:
            record(connection, now, Event(event_types.TARGET_UNAVAILABLE, subject=kind, reason=str(error)[:200]))
    log.warning("target failed", target=kind, failures=failures, next_try_s=round(wait_s, 1), error=str(error))
    return wait_s


@contextmanager
def collecting_failures(provisioner: Provisioner, kind: str, failing: dict[str, TargetError]) -> Iterator[None]:
    """Blame the target for an error inside, put it into `failing` and go on: other targets do not wait for this one."""
    try:
        yield
    except TargetError as error:
        note_failure(provisioner, kind, error)
        failing[kind] = error


def note_success(provisioner: Provisioner, kind: str) -> None:
    """Open a target again that had failed; nothing where it had not."""
    found = health_of(provisioner, kind)
    if found is None:
        return
    now = provisioner.clock.timestamp()
    with provisioner.databases.sessions.write() as connection:
        is_first = health_queries.note_recovery(connection, kind)
        if is_first and found.failures >= TOLD_FROM:
            data = {"seconds": round(now - found.since)}
            record(connection, now, Event(event_types.TARGET_RECOVERED, subject=kind, data=data))
    if is_first:
        log.info("target recovered", target=kind, failures=found.failures)


def pause_s(provisioner: Provisioner, failures: int) -> float:
    """Return in how many seconds a target, or a run, that failed so often in a row is tried again."""
    return provisioner.settings.target_backoff.wait_s(failures, _chance.random())


def try_again(provisioner: Provisioner) -> list[str]:
    """Ask each target that failed and whose pause is over whether it answers, and return those that do.

    Effect:  one that does not answer is called later. One that answers is well if nothing must be written there. While
             people wait for a write, only a write that succeeds clears it: a read-only or a full server answers, too
    """
    answering = []
    with provisioner.databases.sessions.read() as connection:
        suspects = health_queries.failing(connection)
    for kind, found in suspects.items():
        target = provisioner.targets.get(kind)
        if target is None or found.open_until > provisioner.clock.timestamp():
            continue
        try:
            target.ping()
            answering.append(kind)
            if not provisioner.read(state_queries.work_after, kind, "", 1):
                note_success(provisioner, kind)
        except TargetUnavailable as error:
            note_failure(provisioner, kind, error)
    return answering


def turn_in_s(provisioner: Provisioner, kind: str, writes: int) -> float:
    """Return in how many seconds so many writes may begin: at the target's pace, over all workers."""
    per_second = provisioner.paces.get(kind, 0.0)
    if per_second <= 0:
        return 0.0
    with provisioner.databases.sessions.write() as connection:
        return health_queries.grant(connection, kind, provisioner.clock.timestamp(), writes / per_second)


def most_at_once(provisioner: Provisioner, kind: str) -> int:
    """Return how many writes go in one batch: no more than a second's worth where there is a pace."""
    per_second = provisioner.paces.get(kind, 0.0)
    batch = provisioner.settings.batch
    return batch if per_second <= 0 else max(1, min(batch, int(per_second)))
