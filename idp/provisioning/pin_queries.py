"""Pins and overrides as rows."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, Table, bindparam, delete, insert, select

from idp.provisioning.pins import Kept, Override, Pin
from idp.provisioning.tables import override, pin

Row = TypeVar("Row", Pin, Override)

BATCH = 1000  # people per statement: below every driver's limit of bound values
_AS_JSON = msgspec.json.Encoder(order="sorted").encode
_PARTS = msgspec.json.Decoder(dict[str, tuple[str, ...]]).decode
_VALUES = msgspec.json.Decoder(tuple[str, ...]).decode


def kept_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, Kept]:
    """Return the pins and overrides of those of some people who have any, by person_id."""
    pins: dict[str, tuple[Pin, ...]] = {}
    overrides: dict[str, tuple[Override, ...]] = {}
    for start in range(0, len(person_ids), BATCH):
        some = person_ids[start : start + BATCH]
        pins.update(_by_person(map(_pin, connection.execute(_sorted(pin).where(pin.c.person_id.in_(some))))))
        rows = connection.execute(_sorted(override).where(override.c.person_id.in_(some)))
        overrides.update(_by_person(map(_override, rows)))
    return {one: Kept(pins.get(one, ()), overrides.get(one, ())) for one in pins.keys() | overrides.keys()}


def stream_pins(connection: Connection) -> Generator[tuple[str, tuple[Pin, ...]], None, None]:
    """Yield (person_id, pins) of everybody who has any, sorted by person_id."""
    with connection.execute(_sorted(pin), execution_options={"yield_per": 2000}) as rows:
        yield from _by_person(map(_pin, rows))


def stream_overrides(connection: Connection) -> Generator[tuple[str, tuple[Override, ...]], None, None]:
    """Yield (person_id, overrides) of everybody who has any, sorted by person_id."""
    with connection.execute(_sorted(override), execution_options={"yield_per": 2000}) as rows:
        yield from _by_person(map(_override, rows))


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


def _by_person(things: Iterable[Row]) -> Iterator[tuple[str, tuple[Row, ...]]]:
    for person_id, group in groupby(things, key=lambda each: each.person_id):
        yield person_id, tuple(group)


def _pin(row: Any) -> Pin:
    values: Mapping[str, Any] = row._mapping
    return Pin(**{**values, "expected": _PARTS(row.expected), "kept": _PARTS(row.kept)})


def _override(row: Any) -> Override:
    values: Mapping[str, Any] = row._mapping
    return Override(**{**values, "expected": _VALUES(row.expected), "kept": _VALUES(row.kept)})
