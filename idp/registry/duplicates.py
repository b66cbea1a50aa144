"""Find records that may be one person. A human decides; nothing here merges anybody."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record, record_all
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import Conflict
from idp.people.merge_queries import (
    Pair,
    PairRecord,
    groups_alike,
    merges_in_force,
    note_pairs,
    pair_of,
    pair_records,
    settle_pair,
)
from idp.people.status import Access
from idp.people.values import PairState
from idp.permissions import Actor, Permission


def find_duplicates(databases: Databases, clock: Clock, actor: Actor) -> int:
    """Put pairs of people who may be one into the queue, and return how many are new there.

    Raises:  NotAllowed
    Effect:  person.duplicate_found for each; a pair that a human dismissed does not come again
    """
    actor.require(Permission.RECORDS_IMPORT)
    now = clock.now()
    with databases.identity.read() as connection:
        joined = {frozenset((one.kept, one.merged)) for one in merges_in_force(connection)}
        found: dict[frozenset[str], Pair] = {}
        for group in groups_alike(connection):
            for older, newer in pairwise(group):
                key = frozenset((older.person_id, newer.person_id))
                if key not in joined and key not in found:
                    found[key] = Pair(
                        older.person_id, newer.person_id, PairState.OPEN, evidence(older, newer), now, None, ""
                    )
    if not found:
        return 0
    with databases.identity.write() as connection:
        fresh = note_pairs(connection, found.values())
        record_all(connection, now.timestamp(), _events(fresh, actor.actor_id))
    return len(fresh)


def dismiss_duplicate(databases: Databases, clock: Clock, pair: Pair, actor: Actor) -> None:
    """Say that the two records of a pair are two people.

    Raises:  NotAllowed; Conflict when they are merged
    Effect:  the pair does not come again; person.duplicate_dismissed
    """
    actor.require(Permission.PEOPLE_MERGE)
    now = clock.now()
    data = {"other": pair.person_a}
    event = Event(event_types.PERSON_DUPLICATE_DISMISSED, pair.person_b, actor.actor_id, data=data)
    with databases.identity.write() as connection:
        current = pair_of(connection, pair.person_a, pair.person_b)
        if current is not None and current.state == PairState.MERGED:
            raise Conflict("they are merged; first separate them: idp people unmerge KEPT GONE")
        settle_pair(connection, pair.person_a, pair.person_b, PairState.DISMISSED, now, actor.actor_id)
        record(connection, now.timestamp(), event)


def queue_duplicates(connection: Connection, at: datetime, pairs: Iterable[tuple[str, str]], actor: str) -> None:
    """Put pairs of records into the queue because rows of one carry album and PESEL of the other.

    Effect:  person.duplicate_found for each pair that is new
    """
    found = []
    for one, other in pairs:
        older, newer = pair_records(connection, [one, other])
        os_ids = " and ".join(sorted((older.os_id, newer.os_id), key=int))
        reasons = evidence(older, newer) | {"same_album": f"rows of os_id {os_ids}"}
        found.append(Pair(older.person_id, newer.person_id, PairState.OPEN, reasons, at, None, ""))
    if found:
        record_all(connection, at.timestamp(), _events(note_pairs(connection, found), actor))


def _events(pairs: list[Pair], actor: str) -> Iterator[Event]:
    for pair in pairs:
        data = {"other": pair.person_a, "evidence": sorted(pair.evidence)}
        yield Event(event_types.PERSON_DUPLICATE_FOUND, pair.person_b, actor, data=data)


def evidence(older: PairRecord, newer: PairRecord) -> dict[str, str]:
    """Return what speaks for, and against, two records being one human being. Pure; never a national id.

    Shape:   {"same_pesel": "", "came_back": "album 123 is closed, album 456 came later"}
    """
    found: dict[str, str] = {}
    if older.pesel_mac and older.pesel_mac == newer.pesel_mac:
        found["same_pesel"] = ""
    if older.document_mac and older.document_mac == newer.document_mac:
        found["same_document"] = ""
    if _name(older) == _name(newer):
        found["same_name"] = _name(older)
    if older.born_on and older.born_on == newer.born_on:
        found["same_birth"] = older.born_on.isoformat()
    if older.pesel_mac and newer.pesel_mac and older.pesel_mac != newer.pesel_mac:
        found["different_pesel"] = "speaks against it"
    if older.access != Access.ACTIVE.value and newer.access == Access.ACTIVE.value:
        found["came_back"] = (
            f"album {older.album or 'none'} is {older.access}, album {newer.album or 'none'} came later"
        )
    return found


def _name(one: PairRecord) -> str:
    return " ".join(part for part in (one.given_name, one.surname_prefix, one.surname) if part)
