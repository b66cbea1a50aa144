"""The sweeps that belong to no other package: signs of life, and what has expired."""

import os
import socket
from zoneinfo import ZoneInfo

from idp.clock import Clock
from idp.jobs.settings import JobsSettings
from idp.people.lifecycle import local_date
from idp.store import attempts, onetime, workers
from idp.store.base import Databases

DAY_S = 24 * 3600


def worker_name() -> str:
    """Return a name that no other worker has: machine and process."""
    return f"{socket.gethostname()}/{os.getpid()}"[:64]


def sign_of_life(databases: Databases, settings: JobsSettings, clock: Clock, name: str) -> int:
    """Write that this worker lives, when the last sign is old enough; it counts as no work done."""
    now = clock.timestamp()
    with databases.sessions.read() as connection:
        seen = workers.seen_at(connection, name)
    if seen is None or now - seen > settings.liveness_s / 6:
        with databases.sessions.write() as connection:
            workers.sign(connection, name, now, settings.liveness_s)
            workers.forget_before(connection, now - DAY_S)
    return 0


def drop_expired_tokens(databases: Databases, clock: Clock) -> int:
    """Delete one-time tokens that have expired."""
    now = clock.timestamp()
    with databases.sessions.read() as connection:
        if not onetime.any_expired(connection, now):
            return 0
    with databases.sessions.write() as connection:
        return onetime.sweep(connection, now)


def is_alive(databases: Databases, settings: JobsSettings, clock: Clock) -> bool:
    """Return whether any worker has lately given a sign of life."""
    with databases.sessions.read() as connection:
        return bool(workers.alive(connection, clock.timestamp()))


def drop_old_claim_tries(databases: Databases, clock: Clock, zone: ZoneInfo) -> int:
    """Forget how often claims were tried before today: nobody is counted longer than the limit needs."""
    today = local_date(clock.now(), zone)
    with databases.sessions.read() as connection:
        if not attempts.any_before(connection, today):
            return 0
    with databases.sessions.write() as connection:
        return attempts.sweep(connection, today)
