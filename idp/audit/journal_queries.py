"""Move pending events into the journal, and read both."""

from collections.abc import Generator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, or_, select

from idp.audit.tables import event_pending, journal, session_event_pending
from idp.db.databases import Database

EVENT_COLUMNS = ("event_id", "at", "kind", "actor", "subject", "reason", "correlation_id", "data")
EventRow = Sequence[Any]  # in the order of EVENT_COLUMNS

_OLDEST = select(*(event_pending.c[name] for name in EVENT_COLUMNS)).order_by(event_pending.c.event_id)


def any_pending(connection: Connection) -> bool:
    """Return whether this database has unsealed events. This only reads, so an idle sealer takes no write lock."""
    return connection.execute(select(event_pending.c.event_id).limit(1)).first() is not None


def oldest_pending(connection: Connection, count: int) -> Sequence[EventRow]:
    """Return up to `count` unsealed events of this database, oldest first."""
    return connection.execute(_OLDEST.limit(count)).all()


def drop_pending(connection: Connection, event_ids: Sequence[str]) -> None:
    """Delete exactly these events, which are sealed. Others may have been committed later with older ids."""
    _many(connection, "DELETE FROM event_pending WHERE event_id = ?", [(event_id,) for event_id in event_ids])


def already_sealed(connection: Connection, first: str, last: str) -> set[str]:
    """Return the sealed event ids in a range: a sealer killed between two databases leaves some events in both."""
    chosen = select(journal.c.event_id).where(journal.c.event_id.between(first, last))
    return set(connection.execute(chosen).scalars())


def last_sealed(connection: Connection) -> tuple[int, str]:
    """Return number and digest of the newest journal row; (0, "") for an empty journal."""
    row = connection.execute(select(journal.c.seq, journal.c.digest).order_by(journal.c.seq.desc()).limit(1)).first()
    return (row.seq, row.digest) if row else (0, "")


def append(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write numbered and chained rows. Shape: (seq, digest, salt, rest_hash, *event in the order of EVENT_COLUMNS)"""
    names = ("seq", "digest", "salt", "rest_hash", *EVENT_COLUMNS)
    _many(connection, f"INSERT INTO journal ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)  # noqa: S608 - constants


def _many(connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement once per row without SQLAlchemy's parameters, which cost more than the statement."""
    marked = sql if connection.dialect.paramstyle == "qmark" else sql.replace("?", "%s")
    connection.exec_driver_sql(marked, list(rows))


def sealed(connection: Connection, after: int = 0) -> Generator[Row[Any], None, None]:
    """Yield the journal in order, from the row after number `after`. Shape: as in `append`"""
    names = ("seq", "digest", "salt", "rest_hash", *EVENT_COLUMNS)
    columns = tuple(journal.c[name] for name in names)
    query = select(*columns).where(journal.c.seq > after).order_by(journal.c.seq)
    with connection.execution_options(yield_per=1000).execute(query) as rows:
        yield from rows


def newest(database: Database, table: Table, count: int, kind: str, subjects: Sequence[str]) -> list[dict[str, Any]]:
    """Return the newest `count` events of `table`, newest first. An empty kind and no subjects match everything."""
    query = select(*(table.c[name] for name in EVENT_COLUMNS)).order_by(table.c.event_id.desc())
    if kind:
        query = query.where(table.c.kind.startswith(kind, autoescape=True))
    if subjects:
        # A refused claim has only the typed album number, in its data.
        albums = [table.c.data.contains(f'"album":"{each}"', autoescape=True) for each in subjects if each.isdigit()]
        query = query.where(or_(table.c.subject.in_(subjects), table.c.actor.in_(subjects), *albums))
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query.limit(count))]


PENDING_TABLES = {"identity": event_pending, "sessions": session_event_pending}
