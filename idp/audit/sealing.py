"""Seal the journal: number events and chain each to the one before it, in batches.

Events are written unchained by the act itself (a chain per event would serialise every sign-in); the sealer, one at
a time by a lease, follows at most about a second behind. Whoever alters, removes or inserts a sealed event breaks
every digest after it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from idp.audit.settings import AuditSettings
from idp.clock import Clock
from idp.store import journal
from idp.store.base import Database, Databases

LEASE = "sealer"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row whose digest does not follow from what stands before it."""

    seq: int
    event_id: str


def chained(event: Mapping[str, Any], before: str) -> str:
    """Return the digest of `event` after the digest `before`: SHA-256 over both, in hex."""
    content = json.dumps([event[name] for name in journal.EVENT_COLUMNS], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{content}".encode()).hexdigest()


def seal_pending(databases: Databases, settings: AuditSettings, clock: Clock, holder: str) -> int:
    """Return how many events were sealed now; 0 while another process holds the lease.

    Effect:  rows move from both `event_pending` tables into the journal; a kill at any point loses and doubles none
    """
    now = clock.timestamp()
    with databases.identity.write() as connection:
        if not journal.take_lease(connection, LEASE, holder, now, now + settings.lease_s):
            return 0
    return sum(_seal(databases.identity, source, settings.batch) for source in (databases.identity, databases.sessions))


def _seal(home: Database, source: Database, batch: int) -> int:
    with source.read() as connection:
        events = [dict(row._mapping) for row in journal.oldest_pending(connection, batch)]
    if not events:
        return 0
    ids = [event["event_id"] for event in events]
    with home.write() as connection:
        known = journal.already_sealed(connection, ids)
        fresh = [event for event in events if event["event_id"] not in known]
        if fresh:
            journal.append(connection, list(_chain(fresh, *journal.last_sealed(connection))))
    # Only now, in the other database: a kill in between leaves them in both, and `already_sealed` sees that.
    with source.write() as connection:
        journal.drop_pending(connection, ids)
    return len(fresh)


def _chain(events: Sequence[dict[str, Any]], seq: int, digest: str) -> Iterator[dict[str, Any]]:
    for number, event in enumerate(events, start=seq + 1):
        digest = chained(event, digest)
        yield {**event, "seq": number, "digest": digest}


def verify(databases: Databases) -> tuple[int, Broken | None]:
    """Return how many rows were checked, and the first that does not fit, if any."""
    digest, count = "", 0
    with databases.identity.read() as connection, closing(journal.sealed(connection)) as rows:
        for row in rows:
            count += 1
            if row.seq != count or chained(row._asdict(), digest) != row.digest:
                return count, Broken(row.seq, row.event_id)
            digest = row.digest
    return count, None
