"""Whose records changed since their entries were last computed."""

import secrets
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, func, select, update

from idp.db.bulk import run_many
from idp.people.merge_queries import kept_for
from idp.people.tables import dirty

BATCH = 1000  # rows per statement: below every driver's limit of bound values

# --- who must be looked at ------------------------------------------------------------------------------------------

_MARK: Final = (
    "INSERT INTO dirty (person_id, mark, is_live, tries, due_at, error)"
    " VALUES (?, ?, ?, 0, 0, '') ON CONFLICT (person_id) DO UPDATE SET"
    " mark = excluded.mark, is_live = (dirty.is_live OR excluded.is_live), tries = 0, due_at = 0, error = ''"
)
_MARK_OTHERS: Final = (
    "INSERT INTO dirty (person_id, mark, is_live, tries, due_at, error) VALUES (?, ?, ?, 0, ?, ?)"
    " ON CONFLICT (person_id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One person to be looked at, for one cause."""

    person_id: str
    mark: str
    tries: int


def mark_dirty(connection: Connection, person_id: str) -> None:
    """Have one person's entries brought true by the worker, if the request does not manage at once.

    Effect:  a row in the transaction of the cause, so that a crash between the two loses nothing
    """
    _mark(connection, [person_id], is_live=True)


def mark_many_dirty(connection: Connection, person_ids: Iterable[str]) -> None:
    """Have people looked at whom an import changed: in a guarded run, since a file may be wrong about all of them."""
    _mark(connection, person_ids, is_live=False)


def _mark(connection: Connection, person_ids: Iterable[str], *, is_live: bool) -> None:
    ids = list(person_ids)
    # Whose record counts for another person, has that one looked at, too.
    ids += [kept for batch in _batches(ids) for kept in kept_for(connection, batch)]
    run_many(connection, _MARK, ((person_id, _new_mark(), is_live) for person_id in ids))


def mark_others_dirty(connection: Connection, person_ids: Iterable[str], due_at: float, error: str) -> None:
    """Have people looked at from some moment on who are not marked; a mark that is there stays, tries included."""
    run_many(connection, _MARK_OTHERS, ((one, _new_mark(), False, due_at, error[:200]) for one in person_ids))


def mark_of(connection: Connection, person_id: str) -> str:
    """Return the mark of one person, or "". Read it before the records: a later cause then has a later mark."""
    return connection.execute(select(dirty.c.mark).where(dirty.c.person_id == person_id)).scalar_one_or_none() or ""


def due_marks(connection: Connection, *, is_live: bool, now: float, limit: int) -> list[Mark]:
    """Return people to be tried now, the longest waiting first."""
    rows = connection.execute(
        select(dirty.c.person_id, dirty.c.mark, dirty.c.tries)
        .where(dirty.c.is_live.is_(is_live), dirty.c.due_at <= now)
        .order_by(dirty.c.due_at, dirty.c.mark)
        .limit(limit)
    )
    return [Mark(row.person_id, row.mark, row.tries) for row in rows]


def count_dirty(connection: Connection) -> int:
    """Return how many people wait to be looked at."""
    return connection.execute(select(func.count()).select_from(dirty)).scalar_one()


def hand_over(connection: Connection, person_id: str, mark: str) -> None:
    """Leave a person for a guarded run, as if an import had marked them; a mark that was renewed meanwhile stays."""
    connection.execute(
        update(dirty).where(dirty.c.person_id == person_id, dirty.c.mark == mark).values(is_live=False, due_at=0)
    )


def clear_marks(connection: Connection, marks: Iterable[tuple[str, str]]) -> None:
    """Take (person_id, mark) off the list; a mark that was renewed meanwhile stays."""
    run_many(
        connection, "DELETE FROM dirty WHERE person_id = ? AND mark = ?", ((one, mark) for one, mark in marks if mark)
    )


def put_off(connection: Connection, marks: Iterable[Mark], due_at: float, error: str, *, is_try: bool = True) -> None:
    """Note that a try failed and when to try again; one that says nothing of the person counts as none."""
    rows = [
        {"of": one.person_id, "seen": one.mark, "n": one.tries + is_try, "at": due_at, "why": error[:200]}
        for one in marks
    ]
    if rows:
        connection.execute(
            update(dirty)
            .where(dirty.c.person_id == bindparam("of"), dirty.c.mark == bindparam("seen"))
            .values(tries=bindparam("n"), due_at=bindparam("at"), error=bindparam("why")),
            rows,
        )


def stream_marks(connection: Connection) -> Generator[tuple[str, str], None, None]:
    """Yield (person_id, mark) of everybody who waits, sorted by person_id."""
    query = select(dirty.c.person_id, dirty.c.mark).order_by(dirty.c.person_id)
    # Closed in any case: a cursor that the server still holds must not be left to the garbage collector.
    with connection.execute(query, execution_options={"yield_per": BATCH}) as rows:
        for row in rows:
            yield row.person_id, row.mark


def marked_after(connection: Connection, after: str, limit: int) -> list[str]:
    """Return people who are marked, sorted, behind a person_id."""
    return list(
        connection.execute(
            select(dirty.c.person_id).where(dirty.c.person_id > after).order_by(dirty.c.person_id).limit(limit)
        ).scalars()
    )


def marks_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, str]:
    """Return the marks of those of some people who have one."""
    found: dict[str, str] = {}
    for batch in _batches(person_ids):
        rows = connection.execute(select(dirty.c.person_id, dirty.c.mark).where(dirty.c.person_id.in_(batch)))
        found.update((row.person_id, row.mark) for row in rows)
    return found


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _new_mark() -> str:
    return secrets.token_hex(16)
