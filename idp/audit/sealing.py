"""Seal the journal: number events and chain each to the one before it, in batches.

Events are written unchained by the act itself (a chain per event would serialise every sign-in); the sealer, one at
a time by a lease, follows at most about a second behind. Whoever alters, removes or inserts a sealed event breaks
every digest after it.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from idp.audit import journal_queries as journal
from idp.audit.journal_queries import EventRow
from idp.audit.settings import AuditSettings
from idp.clock import Clock
from idp.db.databases import Database, Databases

LEASE = "sealer"
DROPPED_AT_ONCE = 250

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # kept: making one costs as its work


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row whose digest does not follow from what stands before it."""

    seq: int
    event_id: str


def chained(event: EventRow, before: str) -> str:
    """Return the digest of `event` after the digest `before`: SHA-256 over both, in hex."""
    return hashlib.sha256(f"{before}\n{_as_json(list(event))}".encode()).hexdigest()


def seal_pending(databases: Databases, settings: AuditSettings, clock: Clock, holder: str) -> int:
    """Return how many events were sealed now, a batch of each database at most; 0 while another process has the lease.

    Effect:  rows move from both `event_pending` tables into the journal; a kill at any point loses and doubles none;
             nothing is written when none wait
    """
    waiting = [source for source in (databases.identity, databases.sessions) if _has_events(source)]
    if not waiting or not _has_lease(databases.identity, settings, clock, holder):
        return 0
    return sum(_seal(databases.identity, source, settings.batch) for source in waiting)


def _has_events(source: Database) -> bool:
    with source.read() as connection:
        return journal.any_pending(connection)


def _has_lease(home: Database, settings: AuditSettings, clock: Clock, holder: str) -> bool:
    """Have the lease for long enough to seal; it is renewed only when half of it has passed."""
    now = clock.timestamp()
    with home.read() as connection:
        if journal.lease_left(connection, LEASE, holder, now) > settings.lease_s / 2:
            return True
    with home.write() as connection:
        return journal.take_lease(connection, LEASE, holder, now, now + settings.lease_s)


def _seal(home: Database, source: Database, batch: int) -> int:
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
    # Only now, in the other database: a kill in between leaves them in both, and `already_sealed` sees that. A few at
    # a time, since sign-ins wait for it.
    for start in range(0, len(ids), DROPPED_AT_ONCE):
        with source.write() as connection:
            journal.drop_pending(connection, ids[start : start + DROPPED_AT_ONCE])
    return len(fresh)


def _chain(events: Sequence[EventRow], seq: int, digest: str) -> Iterator[tuple[Any, ...]]:
    for number, event in enumerate(events, start=seq + 1):
        digest = chained(event, digest)
        yield (number, digest, *event)


def verify(databases: Databases) -> tuple[int, Broken | None]:
    """Return how many rows were checked, and the first that does not fit, if any."""
    digest, count = "", 0
    with databases.identity.read() as connection, closing(journal.sealed(connection)) as rows:
        for row in rows:
            count += 1
            if row.seq != count or chained(row[2:], digest) != row.digest:
                return count, Broken(row.seq, row.event_id)
            digest = row.digest
    return count, None
