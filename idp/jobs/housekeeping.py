"""Sweeps that belong to no other package: heartbeats, and expired rows."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from idp.accounts import attempt_queries as attempts
from idp.clock import Clock
from idp.db import leases, workers
from idp.db import one_time as onetime
from idp.db.databases import Databases
from idp.jobs.lanes import Lane
from idp.people.status import local_date
from idp.provisioning import run_queries

AT_ONCE = 20  # runs deleted in one transaction


def drop_expired_tokens(databases: Databases, clock: Clock) -> int:
    """Delete one-time tokens that have expired."""
    now = clock.timestamp()
    with databases.sessions.read() as connection:
        if not onetime.any_expired(connection, now):
            return 0
    with databases.sessions.write() as connection:
        return onetime.sweep(connection, now)


def silent_lanes(databases: Databases, clock: Clock) -> set[Lane]:
    """Return the lanes without a living worker."""
    with databases.sessions.read() as connection:
        alive = {one.lane for one in workers.alive(connection, clock.timestamp())}
    return {lane for lane in Lane if lane not in alive}


def require_writable(databases: Databases, clock: Clock) -> None:
    """Return if both databases take a row. Nobody uses it: a worker's heartbeat is a write of the same kind.

    Raises:  StoreError with the database's own words, such as "database or disk is full"
    """
    now = clock.timestamp()
    for database in (databases.sessions, databases.identity):
        with database.write() as connection:
            leases.acquire(connection, "writable", "readyz", now, now)


def drop_old_runs(databases: Databases, clock: Clock, keep_days: int) -> int:
    """Delete old runs with their changes. Nobody will undo them any more."""
    before = clock.now() - timedelta(days=keep_days)
    with databases.identity.read() as connection:
        if not run_queries.any_before(connection, before):
            return 0
    with databases.identity.write() as connection:
        return run_queries.forget_runs(connection, before, AT_ONCE)


def drop_old_claim_attempts(databases: Databases, clock: Clock, zone: ZoneInfo) -> int:
    """Delete the claim attempts of earlier days. Nobody is counted longer than the limit needs."""
    today = local_date(clock.now(), zone)
    with databases.sessions.read() as connection:
        if not attempts.any_before(connection, today):
            return 0
    with databases.sessions.write() as connection:
        return attempts.sweep(connection, today)
