"""The journal's rows: moving pending events in, reading both."""

from collections.abc import Generator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.store.base import Database
from idp.store.events import event_pending, journal, lease, session_event_pending

EVENT_COLUMNS = ("event_id", "at", "kind", "actor", "subject", "reason", "correlation_id", "data")


def oldest_pending(connection: Connection, count: int) -> Sequence[Row[Any]]:
    """Return up to `count` events of this database that are not in the journal yet, oldest first."""
    return connection.execute(
        select(event_pending).order_by(event_pending.c.at, event_pending.c.event_id).limit(count)
    ).all()


def drop_pending(connection: Connection, event_ids: Sequence[str]) -> None:
    """Delete events that the journal holds."""
    for start in range(0, len(event_ids), 500):
        connection.execute(delete(event_pending).where(event_pending.c.event_id.in_(event_ids[start : start + 500])))


def already_sealed(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Return which of these the journal holds: a sealer killed between two databases leaves some in both."""
    found: set[str] = set()
    for start in range(0, len(event_ids), 500):
        chosen = select(journal.c.event_id).where(journal.c.event_id.in_(event_ids[start : start + 500]))
        found.update(connection.execute(chosen).scalars())
    return found


def last_sealed(connection: Connection) -> tuple[int, str]:
    """Return number and digest of the newest journal row; (0, "") for an empty journal."""
    row = connection.execute(select(journal.c.seq, journal.c.digest).order_by(journal.c.seq.desc()).limit(1)).first()
    return (row.seq, row.digest) if row else (0, "")


def append(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write numbered and chained rows."""
    connection.execute(insert(journal), rows)


def sealed(connection: Connection, after: int = 0) -> Generator[Row[Any], None, None]:
    """Yield the journal in order, from the row after number `after`."""
    query = select(journal).where(journal.c.seq > after).order_by(journal.c.seq)
    with connection.execution_options(yield_per=1000).execute(query) as rows:
        yield from rows


def newest(database: Database, table: Table, count: int, kind: str, subjects: Sequence[str]) -> list[dict[str, Any]]:
    """Return the newest `count` events of `table`, newest first; an empty kind and no subjects filter nothing."""
    query = select(*(table.c[name] for name in EVENT_COLUMNS)).order_by(table.c.at.desc(), table.c.event_id.desc())
    if kind:
        query = query.where(table.c.kind.startswith(kind, autoescape=True))
    if subjects:
        # A refused claim knows only the album number that was typed; it stands in the data.
        albums = [table.c.data.contains(f'"album": "{each}"', autoescape=True) for each in subjects if each.isdigit()]
        query = query.where(or_(table.c.subject.in_(subjects), table.c.actor.in_(subjects), *albums))
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query.limit(count))]


def take_lease(connection: Connection, name: str, holder: str, now: float, until: float) -> bool:
    """Return whether `holder` now has the lease; it is had by one holder at a time, until it runs out."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(lease).values(name=name, holder=holder, until=until).on_conflict_do_nothing())
    renewed = connection.execute(
        update(lease)
        .where(lease.c.name == name, (lease.c.holder == holder) | (lease.c.until < literal(now)))
        .values(holder=holder, until=until)
    )
    return renewed.rowcount == 1


PENDING_TABLES = {"identity": event_pending, "sessions": session_event_pending}
