"""Read and write many rows quickly, and insert rows that may exist already."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, LiteralString

from more_itertools import chunked
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    func,
    insert,
    select,
)

BATCH = 1000  # values per statement, so that no answer and no lock grows without limit
Convert = Callable[[Any], Any]


def among(connection: Connection, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column holds one of many texts, as one bound value.

    `column.in_(values)` writes a statement of its own for each number of values, which costs more than running it.
    """
    if connection.dialect.name == "sqlite":
        each = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(each.c.value))
    return column == any_(bindparam(None, list(values), ARRAY(Text), unique=True))


def rows_among(
    connection: Connection, query: Select[Any], column: ColumnElement[str], values: Iterable[str]
) -> Iterator[Any]:
    """Yield the rows in which a column has one of many values; one statement per batch of values."""
    for batch in chunked(values, BATCH):
        yield from connection.execute(query.where(among(connection, column, batch))).all()


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows with values in the order of `columns`, converted by the columns' types.

    This uses the driver's `executemany`, without an SQL tree or a dictionary per row. It is about three times faster
    than `connection.execute(insert(table), [...])`, which matters from a thousand rows on.
    """
    sql, converters = _prepared(table, tuple(columns), connection.dialect)
    by_column: list[Iterable[Any]] = list(zip(*rows, strict=True))
    if not by_column:
        return
    for place, convert in converters:
        by_column[place] = map(convert, by_column[place])
    connection.exec_driver_sql(sql, list(zip(*by_column, strict=True)))


def insert_once(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key exists; return whether it was inserted. Of parallel callers, one gets True."""
    once = _dialect_insert(connection)(table).values(dict(values)).on_conflict_do_nothing()
    return connection.execute(once.returning(*table.primary_key)).first() is not None


def _dialect_insert(connection: Connection) -> Any:
    # Imported late: a dialect imports modules for all its drivers, and every command would wait for that.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert


def run_many(connection: Connection, sql: LiteralString, rows: Iterable[Sequence[Any]]) -> None:
    """Run a writing statement once per row. `sql` has a `?` per value, also on PostgreSQL.

    Shape:   values as drivers take them: text, numbers, None; a datetime goes through `as_bound`
    """
    ready = [tuple(row) for row in rows]
    if ready:
        connection.exec_driver_sql(in_dialect(connection, sql), ready)


def as_bound(connection: Connection, column: "Column[Any]", value: Any) -> Any:
    """Return a value in the driver's form for a column: on SQLite, a datetime is text."""
    convert = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return value if convert is None else convert(value)


def in_dialect(connection: Connection, sql: str) -> str:
    """Return `sql` with the placeholders of the connection's driver."""
    return sql if connection.dialect.paramstyle == "qmark" else for_psycopg(sql)


@lru_cache(maxsize=256)
def for_psycopg(sql: str) -> str:
    """Return `sql` with PostgreSQL's placeholders. No statement of ours contains another `?` or `%`."""
    return sql.replace("?", "%s")


@lru_cache(maxsize=64)
def _prepared(table: Table, columns: tuple[str, ...], dialect: Dialect) -> tuple[str, tuple[tuple[int, Convert], ...]]:
    """Return the statement in the driver's spelling, and the positions of values to convert."""
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    names = ", ".join(columns)
    sql = f"INSERT INTO {insert(table).table.name} ({names}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608 - names of our own tables
    converters = (
        (place, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for place, name in enumerate(columns)
    )
    # Dates and times repeat within an import, and their conversion is slow.
    return sql, tuple((place, lru_cache(maxsize=4096)(convert)) for place, convert in converters if convert is not None)
