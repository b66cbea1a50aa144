"""Seal the journal: number events and chain each to its predecessor, in batches.

An act writes its event unchained, because chaining would serialise all sign-ins. One sealer at a time (a lease) follows
about a second later. A change of a sealed event breaks every digest after it. Signed checkpoints reveal a recomputed
chain (idp.audit.checkpoints).
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from idp.audit import journal_queries as journal
from idp.audit.chain import chained, rest_hash
from idp.audit.journal_queries import EventRow
from idp.audit.settings import AuditSettings
from idp.clock import Clock
from idp.db import leases
from idp.db.databases import Database, Databases

LEASE = "sealer"
DROPPED_AT_ONCE = 250
SALT_BYTES = 16


def seal_pending(databases: Databases, settings: AuditSettings, clock: Clock, holder: str) -> int:
    """Seal at most one batch of each database and return the number of events; 0 while another process has the lease.

    Effect:  rows move from both `event_pending` tables into the journal. A kill loses and doubles none. Without
             events nothing is written
    """
    waiting = [source for source in (databases.identity, databases.sessions) if _has_events(source)]
    if not waiting or not _has_lease(databases.identity, settings, clock, holder):
        return 0
    return sum(_seal(databases.identity, source, settings.batch) for source in waiting)


def _has_events(source: Database) -> bool:
    with source.read() as connection:
        return journal.any_pending(connection)


def _has_lease(home: Database, settings: AuditSettings, clock: Clock, holder: str) -> bool:
    """Hold the lease long enough to seal. It is renewed after half of its time."""
    now = clock.timestamp()
    with home.read() as connection:
        if leases.remaining_s(connection, LEASE, holder, now) > settings.lease_s / 2:
            return True
    with home.write() as connection:
        return leases.acquire(connection, LEASE, holder, now, now + settings.lease_s)


def _seal(home: Database, source: Database, batch: int) -> int:
    return _seal_here(home, batch) if source is home else _seal_across(home, source, batch)


def _seal_here(home: Database, batch: int) -> int:
    """Move events of the journal's database in one transaction, so that it waits for an import only once."""
    with home.write() as connection:
        events = journal.oldest_pending(connection, batch)
        if events:
            journal.append(connection, list(_chain(events, *journal.last_sealed(connection))))
            journal.drop_pending(connection, [event[0] for event in events])
    return len(events)


def _seal_across(home: Database, source: Database, batch: int) -> int:
    """Move events of another database. A kill between the two transactions leaves events in both; this detects it."""
    with source.read() as connection:
        events = journal.oldest_pending(connection, batch)
    if not events:
        return 0
    ids = [event[0] for event in events]
    with home.write() as connection:
        known = journal.already_sealed(connection, ids[0], ids[-1])
        fresh = [event for event in events if event[0] not in known] if known else events
        if fresh:
            journal.append(connection, list(_chain(fresh, *journal.last_sealed(connection))))
    # A few at a time, because sign-ins wait for it.
    for start in range(0, len(ids), DROPPED_AT_ONCE):
        with source.write() as connection:
            journal.drop_pending(connection, ids[start : start + DROPPED_AT_ONCE])
    return len(fresh)


def _chain(events: Sequence[EventRow], seq: int, digest: str) -> Iterator[tuple[Any, ...]]:
    for number, event in enumerate(events, start=seq + 1):
        salt = os.urandom(SALT_BYTES)
        rest = rest_hash(salt, event)
        digest = chained(digest, number, event, rest)
        yield (number, digest, salt, rest, *event)
