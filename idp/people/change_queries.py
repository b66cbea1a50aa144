"""People whose entries must be computed again, because their records changed."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from idp.db.bulk import as_bound, rows_among, run_many
from idp.people.merge_queries import kept_for
from idp.people.tables import person, person_change
from idp.people.values import Priority

# A live change stays live when a bulk one follows: the person's own act is still to be written at once.
_QUEUE: Final = (
    "INSERT INTO person_change (person_id, change_id, priority, created_at) VALUES (?, ?, ?, CURRENT_TIMESTAMP)"
    " ON CONFLICT (person_id) DO UPDATE SET change_id = excluded.change_id, not_before = NULL,"
    " priority = CASE WHEN person_change.priority = 'live' THEN 'live' ELSE excluded.priority END"
)


@dataclass(frozen=True, slots=True)
class PersonChange:
    """The newest change of one person's records that was not computed yet."""

    change_id: str
    priority: Priority


def queue_recompute(connection: Connection, person_ids: Iterable[str], priority: Priority = Priority.BULK) -> None:
    """Have people's entries computed again. If a record is merged into another person, queue that person too.

    Effect:  a row each, in the transaction of the cause, so that a crash between the two loses nothing
    """
    ids = list(person_ids)
    ids += kept_for(connection, ids)
    # Sorted: two transactions that lock the same rows in different orders wait for each other.
    run_many(connection, _QUEUE, ((person_id, secrets.token_hex(16), priority.value) for person_id in sorted(ids)))


def queue_calendar_changes(connection: Connection, today: date) -> None:
    """Queue everybody whose status may change today by time alone."""
    is_queued = exists().where(person_change.c.person_id == person.c.person_id)
    due = select(person.c.person_id).where(person.c.review_on <= today, ~is_queued)
    queue_recompute(connection, connection.execute(due).scalars().all())


def changes_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, PersonChange]:
    """Return the changes of those of some people who have one. Read them before the records."""
    columns = (person_change.c.person_id, person_change.c.change_id, person_change.c.priority)
    rows = rows_among(connection, select(*columns), person_change.c.person_id, person_ids)
    return {row.person_id: PersonChange(row.change_id, Priority(row.priority)) for row in rows}


def next_changes(connection: Connection, priority: Priority, now: datetime, limit: int) -> list[str]:
    """Return people to compute next, the longest waiting first."""
    query = select(person_change.c.person_id).where(person_change.c.priority == priority.value, _is_due(now))
    ordered = query.order_by(person_change.c.created_at, person_change.c.person_id)
    return list(connection.execute(ordered.limit(limit)).scalars())


def changed_after(connection: Connection, after: str, limit: int, now: datetime) -> list[str]:
    """Return people to compute, sorted, behind a person_id."""
    query = select(person_change.c.person_id).where(person_change.c.person_id > after, _is_due(now))
    return list(connection.execute(query.order_by(person_change.c.person_id).limit(limit)).scalars())


def count_changes(connection: Connection) -> int:
    """Return how many people wait to be computed."""
    return connection.execute(select(func.count()).select_from(person_change)).scalar_one()


def delete_changes(connection: Connection, changes: Iterable[tuple[str, str]]) -> None:
    """Delete (person_id, change_id) that were computed; a newer change of the same person stays."""
    run_many(connection, "DELETE FROM person_change WHERE person_id = ? AND change_id = ?", sorted(changes))


def set_aside(connection: Connection, changes: Iterable[tuple[str, str]], until: datetime) -> None:
    """Compute people later, because the rules fail for them: each (person_id, change_id) that is still the newest."""
    bound = as_bound(connection, person_change.c.not_before, until)
    sql: Final = "UPDATE person_change SET not_before = ? WHERE person_id = ? AND change_id = ?"
    run_many(connection, sql, ((bound, *change) for change in sorted(changes)))


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(person_change.c.not_before.is_(None), person_change.c.not_before <= now)
