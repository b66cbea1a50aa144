"""Values that stay in a target although the records ask for others: found there and left, or put back by an undo."""

import json
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    insert,
    select,
)

from idp.provisioning.tables import held_value

UNDO, REPORT, ADOPT = "undo", "report", "adopt"  # why a value is held


BATCH = 1000  # people per statement: below every driver's limit of bound values


@dataclass(frozen=True, slots=True)
class Held:
    """One attribute of one person in one target that keeps another value than the records ask for."""

    target: str
    person_id: str
    attribute: str
    ours: tuple[str, ...]
    held: tuple[str, ...]
    why: str
    run_id: str
    at: datetime


def held_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, tuple[Held, ...]]:
    """Return what is held of those of some people of whom anything is, by person_id."""
    found: dict[str, tuple[Held, ...]] = {}
    for start in range(0, len(person_ids), BATCH):
        query = select(held_value).where(held_value.c.person_id.in_(person_ids[start : start + BATCH]))
        rows = connection.execute(query.order_by(held_value.c.person_id, held_value.c.target, held_value.c.attribute))
        for person_id, mine in groupby(rows, key=lambda row: str(row.person_id)):
            found[person_id] = tuple(_held(row) for row in mine)
    return found


def stream_held(connection: Connection) -> Generator[tuple[str, tuple[Held, ...]], None, None]:
    """Yield (person_id, what is held) of everybody of whom anything is, sorted by person_id."""
    query = select(held_value).order_by(held_value.c.person_id, held_value.c.target, held_value.c.attribute)
    with connection.execute(query, execution_options={"yield_per": 2000}) as rows:
        for person_id, mine in groupby(rows, key=lambda row: str(row.person_id)):
            yield person_id, tuple(_held(row) for row in mine)


def held_for(connection: Connection, whys: Sequence[str], limit: int) -> list[Held]:
    """Return what is held for one of these reasons, the newest first."""
    query = select(held_value).where(held_value.c.why.in_(whys))
    rows = connection.execute(query.order_by(held_value.c.at.desc(), held_value.c.person_id).limit(limit))
    return [_held(row) for row in rows]


def hold(connection: Connection, values: Iterable[Held]) -> None:
    """Keep values; one that is held of the same attribute already is replaced."""
    fresh = list(values)
    if fresh:
        connection.execute(
            delete(held_value).where(
                held_value.c.target == bindparam("in_target"),
                held_value.c.person_id == bindparam("of"),
                held_value.c.attribute == bindparam("its"),
            ),
            [{"in_target": one.target, "of": one.person_id, "its": one.attribute} for one in fresh],
        )
        connection.execute(insert(held_value), [_row(one) for one in fresh])


def let_go(connection: Connection, values: Iterable[Held]) -> None:
    """Hold these no longer; one that was renewed meanwhile stays."""
    rows = [
        {"in_target": one.target, "of": one.person_id, "its": one.attribute, "was": _json(one.held)} for one in values
    ]
    if rows:
        connection.execute(
            delete(held_value).where(
                held_value.c.target == bindparam("in_target"),
                held_value.c.person_id == bindparam("of"),
                held_value.c.attribute == bindparam("its"),
                held_value.c.held == bindparam("was"),
            ),
            rows,
        )


def held_by_run(connection: Connection, run_id: str) -> list[Held]:
    """Return what is held since this run was undone."""
    rows = connection.execute(select(held_value).where(held_value.c.run_id == run_id))
    return [_held(row) for row in rows]


def _row(one: Held) -> dict[str, Any]:
    return {
        "target": one.target,
        "person_id": one.person_id,
        "attribute": one.attribute,
        "ours": _json(one.ours),
        "held": _json(one.held),
        "why": one.why,
        "run_id": one.run_id,
        "at": one.at,
    }


def _held(row: Any) -> Held:
    return Held(
        target=row.target,
        person_id=row.person_id,
        attribute=row.attribute,
        ours=tuple(json.loads(row.ours)),
        held=tuple(json.loads(row.held)),
        why=row.why,
        run_id=row.run_id,
        at=row.at,
    )


def _json(values: Sequence[str]) -> str:
    return json.dumps(list(values), ensure_ascii=False)
