"""People who may be one under two numbers of the registry, and those whom a human joined."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, PrimaryKeyConstraint, String, Table, Text, insert, or_, select, text
from sqlalchemy import update as update_rows

from idp.store.base import UtcDateTime, identity_metadata

OPEN, DISMISSED, MERGED = "open", "dismissed", "merged"

# A pair that a human must judge; `person_a` was seen first.
duplicate = Table(
    "duplicate",
    identity_metadata,
    Column("person_a", String(32), nullable=False),
    Column("person_b", String(32), nullable=False),
    Column("state", String(10), nullable=False, index=True),  # open | dismissed | merged
    Column("evidence", Text, nullable=False),  # JSON: word -> what is alike; never a national id
    Column("found_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("settled_by", String(64), nullable=False),
    PrimaryKeyConstraint("person_a", "person_b"),
    Index("ix_duplicate_person_b", "person_b"),
)

# Two records that are one human being. Nothing of either is changed: undone, all is as it was.
person_merge = Table(
    "person_merge",
    identity_metadata,
    Column("merge_id", String(32), primary_key=True),  # the run that brought it to the targets
    Column("kept", String(32), nullable=False, index=True),
    Column("merged", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("undone_at", UtcDateTime),
    Column("undone_by", String(64), nullable=False),
    # Nobody is merged into two people, whoever asks at the same moment.
    Index(
        "uq_person_merge_merged",
        "merged",
        unique=True,
        sqlite_where=text("undone_at IS NULL"),
        postgresql_where=text("undone_at IS NULL"),
    ),
)


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
    """Two records that count as one person."""

    merge_id: str
    kept: str
    merged: str
    at: datetime
    by: str


def merges_in_force(connection: Connection) -> list[Merge]:
    """Return who counts as one with whom, today."""
    rows = connection.execute(select(person_merge).where(person_merge.c.undone_at.is_(None)))
    return [Merge(row.merge_id, row.kept, row.merged, row.at, row.by) for row in rows]


def merges_of(connection: Connection, person_ids: Sequence[str]) -> list[Merge]:
    """Return the merges in force that concern one of some people."""
    wanted = set(person_ids)
    return [one for one in merges_in_force(connection) if one.kept in wanted or one.merged in wanted]


def begin_merge(connection: Connection, merge: Merge) -> None:
    """Have two records count as one person from now on; a repeat is harmless."""
    known = connection.execute(select(person_merge.c.merge_id).where(person_merge.c.merge_id == merge.merge_id))
    if known.scalar_one_or_none() is None:
        row = {"merge_id": merge.merge_id, "kept": merge.kept, "merged": merge.merged, "at": merge.at, "by": merge.by}
        connection.execute(insert(person_merge).values(**row, undone_by=""))


def end_merge(connection: Connection, kept: str, merged: str, at: datetime, by: str) -> None:
    """Have two records count as two people again; a repeat is harmless."""
    connection.execute(
        update_rows(person_merge)
        .where(person_merge.c.kept == kept, person_merge.c.merged == merged, person_merge.c.undone_at.is_(None))
        .values(undone_at=at, undone_by=by)
    )


def note_pairs(connection: Connection, pairs: Iterable[Pair]) -> list[Pair]:
    """Keep pairs that are not known yet, and return those; one that was settled stays settled."""
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


def settle_pair(connection: Connection, one: str, other: str, state: str, at: datetime, by: str) -> int:
    """Say what a human made of a pair, and return 1 if there is such a pair."""
    return connection.execute(
        update_rows(duplicate)
        .where(
            or_(
                (duplicate.c.person_a == one) & (duplicate.c.person_b == other),
                (duplicate.c.person_a == other) & (duplicate.c.person_b == one),
            )
        )
        .values(state=state, settled_at=at, settled_by=by)
    ).rowcount


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
