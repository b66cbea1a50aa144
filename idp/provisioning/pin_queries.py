"""Pins and overrides as rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from more_itertools import map_reduce
from sqlalchemy import Connection, Select, Table, bindparam, delete, insert, select

from idp.db.bulk import rows_among
from idp.provisioning.pins import Kept, Override, Parts, Pin, Values
from idp.provisioning.tables import override, pin

_AS_JSON = msgspec.json.Encoder(order="sorted").encode


def kept_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, Kept]:
    """Return the pins and overrides of those of some people who have any, by person_id."""
    pins = map_reduce(map(_pin, rows_among(connection, _sorted(pin), pin.c.person_id, person_ids)), _person)
    rows = rows_among(connection, _sorted(override), override.c.person_id, person_ids)
    overrides = map_reduce(map(_override, rows), _person)
    return {one: Kept(tuple(pins.get(one, ())), tuple(overrides.get(one, ()))) for one in pins.keys() | overrides}


def pins_of_run(connection: Connection, run_id: str) -> list[Pin]:
    """Return the pins that stand since this run was undone. They outlive the run."""
    return [_pin(row) for row in connection.execute(_sorted(pin).where(pin.c.run_id == run_id))]


def latest_overrides(connection: Connection, limit: int) -> list[Override]:
    """Return overrides, the newest first."""
    query = select(override).order_by(override.c.found_at.desc(), override.c.person_id, override.c.attribute)
    return [_override(row) for row in connection.execute(query.limit(limit))]


def keep(connection: Connection, kept: Kept) -> None:
    """Write pins and overrides, in place of those of the same person, target and key or attribute."""
    for table, rows in _rows(kept):
        connection.execute(delete(table).where(*_same(table)), rows)
        connection.execute(insert(table), rows)


def drop(connection: Connection, kept: Iterable[Kept]) -> None:
    """Delete pins and overrides; one that was written anew meanwhile stays."""
    for each in kept:
        for table, rows in _rows(each):
            connection.execute(delete(table).where(*_same(table), table.c.kept == bindparam("kept")), rows)


def _rows(kept: Kept) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    for table, things in ((pin, kept.pins), (override, kept.overrides)):
        if things:
            yield table, [_row(asdict(each)) for each in things]


def _row(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, **{name: _AS_JSON(values[name]).decode() for name in ("expected", "kept")}}


def _same(table: Table) -> list[Any]:
    return [column == bindparam(column.name) for column in table.primary_key.columns]


def _sorted(table: Table) -> Select[Any]:
    return select(table).order_by(table.c.person_id, *table.primary_key.columns)


def _person(one: Pin | Override) -> str:
    return one.person_id


def _pin(row: Any) -> Pin:
    return Pin(**{**row._mapping, **_decoded(row, Parts)})


def _override(row: Any) -> Override:
    return Override(**{**row._mapping, **_decoded(row, Values)})


def _decoded(row: Any, kind: Any) -> dict[str, Any]:
    return {name: msgspec.json.decode(getattr(row, name), type=kind) for name in ("expected", "kept")}
