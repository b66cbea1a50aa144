"""People who may be one under two numbers of the registry, and those whom a human joined."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy import update as update_rows

from idp.db.bulk import among, rows_among
from idp.people.tables import duplicate, person, person_merge
from idp.people.values import MergeState, PairState


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people who may be one, and why it is thought so."""

    person_a: str
    person_b: str
    state: str
    evidence: Mapping[str, str]
    found_at: datetime
    settled_at: datetime | None
    settled_by: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Two records of one person, the run that began it, and the one that ended it."""

    began_run_id: str
    kept: str
    merged: str
    planned_at: datetime
    planned_by: str
    state: MergeState = MergeState.PLANNED
    ended_run_id: str | None = None


def merges_in_force(connection: Connection) -> list[Merge]:
    """Return the merges that count today; they are few."""
    query = select(person_merge).where(person_merge.c.state == MergeState.IN_FORCE)
    return [_merge(row) for row in connection.execute(query.order_by(person_merge.c.began_run_id))]


def kept_for(connection: Connection, person_ids: Sequence[str]) -> list[str]:
    """Return the people for whom the records of some people count."""
    query = select(person_merge.c.kept).where(person_merge.c.state == MergeState.IN_FORCE)
    return [row[0] for row in rows_among(connection, query, person_merge.c.merged, person_ids)]


def load_merge(connection: Connection, began_run_id: str) -> Merge | None:
    """Return a merge in any state."""
    row = connection.execute(select(person_merge).where(person_merge.c.began_run_id == began_run_id)).one_or_none()
    return None if row is None else _merge(row)


def plan_merge(connection: Connection, merge: Merge) -> None:
    """Keep a merge that is planned; it changes nothing yet."""
    connection.execute(insert(person_merge).values(asdict(merge)))


def begin_merge(connection: Connection, began_run_id: str) -> bool:
    """Put a planned merge in force, and return whether it was planned."""
    return _move(connection, person_merge.c.began_run_id == began_run_id, MergeState.PLANNED, MergeState.IN_FORCE)


def end_merge(connection: Connection, began_run_id: str, ended_run_id: str) -> bool:
    """End a merge by another run, and return whether it was in force."""
    mine = person_merge.c.began_run_id == began_run_id
    return _move(connection, mine, MergeState.IN_FORCE, MergeState.ENDED, ended_run_id=ended_run_id)


def put_back_merge(connection: Connection, run_id: str) -> bool:
    """Undo what a run did to a merge: begun by it, the merge is planned again; ended by it, in force again."""
    began, ended = person_merge.c.began_run_id == run_id, person_merge.c.ended_run_id == run_id
    return _move(connection, began, MergeState.IN_FORCE, MergeState.PLANNED) or _move(
        connection, ended, MergeState.ENDED, MergeState.IN_FORCE, ended_run_id=None
    )


def forget_planned_merge(connection: Connection, run_id: str) -> None:
    """Delete the merge that a run planned and never began; for a run that ends or is deleted."""
    mine = person_merge.c.began_run_id == run_id
    connection.execute(delete(person_merge).where(mine, person_merge.c.state == MergeState.PLANNED))


def _move(connection: Connection, which: ColumnElement[bool], old: MergeState, new: MergeState, **values: Any) -> bool:
    moved = update_rows(person_merge).where(which, person_merge.c.state == old).values(state=new, **values)
    return bool(connection.execute(moved).rowcount)


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One record of a pair: the fields by which records are compared. National ids only as keyed hashes."""

    person_id: str
    os_id: str
    album: str | None
    given_name: str
    surname_prefix: str
    surname: str
    born_on: date | None
    pesel_mac: str | None
    document_mac: str | None
    access: str
    first_seen_at: datetime


MOST_ALIKE = 20  # of one name born on one day: more come from a default value in the registry
_PAIR_COLUMNS = (
    person.c.person_id,
    person.c.os_id,
    person.c.album,
    person.c.given_name,
    person.c.surname_prefix,
    person.c.surname,
    person.c.born_on,
    person.c.pesel_mac,
    person.c.document_mac,
    person.c.access,
    person.c.first_seen_at,
)
_ALIKE = (
    (person.c.pesel_mac,),
    (person.c.document_mac,),
    (person.c.given_name, person.c.surname, person.c.born_on),
)


def groups_alike(connection: Connection) -> Iterator[list[PairRecord]]:
    """Yield groups of people with one national id, or one name and day of birth; the first seen first."""
    for keys in _ALIKE:
        shared = (
            select(*keys)
            .where(*(key.is_not(None) for key in keys))
            .group_by(*keys)
            .having(func.count().between(2, MOST_ALIKE))
            .subquery()
        )
        query = (
            select(*_PAIR_COLUMNS)
            .join(shared, and_(*(key == shared.c[key.name] for key in keys)))
            .order_by(*keys, person.c.first_seen_at, person.c.person_id)
        )
        rows = connection.execute(query, execution_options={"yield_per": 1000})
        yield from _groups((PairRecord(*row) for row in rows), [key.name for key in keys])


def _groups(sorted_records: Iterable[PairRecord], names: Sequence[str]) -> Iterator[list[PairRecord]]:
    for _, group in groupby(sorted_records, key=lambda one: [getattr(one, name) for name in names]):
        yield list(group)


def pair_records(connection: Connection, person_ids: Sequence[str]) -> list[PairRecord]:
    """Return the records of these people for comparing, the first seen first."""
    query = select(*_PAIR_COLUMNS).where(among(connection, person.c.person_id, person_ids))
    rows = connection.execute(query.order_by(person.c.first_seen_at, person.c.person_id))
    return [PairRecord(*row) for row in rows]


def note_pairs(connection: Connection, pairs: Iterable[Pair]) -> list[Pair]:
    """Store new pairs and return them. A settled pair stays settled."""
    fresh = []
    for one in pairs:
        if pair_of(connection, one.person_a, one.person_b) is None:
            fresh.append(one)
            connection.execute(insert(duplicate).values(**_row(one)))
    return fresh


def pair_of(connection: Connection, one: str, other: str) -> Pair | None:
    """Return what is known of two people together."""
    row = connection.execute(
        select(duplicate).where(
            or_(
                (duplicate.c.person_a == one) & (duplicate.c.person_b == other),
                (duplicate.c.person_a == other) & (duplicate.c.person_b == one),
            )
        )
    ).one_or_none()
    return None if row is None else _pair(row)


def pairs_in(connection: Connection, states: Sequence[str], limit: int) -> list[Pair]:
    """Return pairs in one of these states, the newest first."""
    query = select(duplicate).where(duplicate.c.state.in_(states))
    rows = connection.execute(query.order_by(duplicate.c.found_at.desc(), duplicate.c.person_a).limit(limit))
    return [_pair(row) for row in rows]


def count_open_pairs(connection: Connection) -> int:
    """Return how many pairs a human must judge."""
    return connection.execute(select(func.count()).where(duplicate.c.state == PairState.OPEN)).scalar_one()


def settle_pair(connection: Connection, one: str, other: str, state: str, at: datetime, by: str) -> int:
    """Say what a human made of a pair, and return 1 if there is such a pair; an open one is not settled."""
    is_open = state == PairState.OPEN
    return connection.execute(
        update_rows(duplicate)
        .where(
            or_(
                (duplicate.c.person_a == one) & (duplicate.c.person_b == other),
                (duplicate.c.person_a == other) & (duplicate.c.person_b == one),
            )
        )
        .values(state=state, settled_at=None if is_open else at, settled_by="" if is_open else by)
    ).rowcount


def _merge(row: Any) -> Merge:
    return Merge(**{**row._mapping, "state": MergeState(row.state)})


def _row(one: Pair) -> dict[str, Any]:
    evidence = json.dumps(dict(one.evidence), ensure_ascii=False)
    settled = {"settled_at": one.settled_at, "settled_by": one.settled_by}
    key = {"person_a": one.person_a, "person_b": one.person_b}
    return {**key, "state": one.state, "evidence": evidence, "found_at": one.found_at, **settled}


def _pair(row: Any) -> Pair:
    return Pair(
        person_a=row.person_a,
        person_b=row.person_b,
        state=row.state,
        evidence=json.loads(row.evidence),
        found_at=row.found_at,
        settled_at=row.settled_at,
        settled_by=row.settled_by,
    )
