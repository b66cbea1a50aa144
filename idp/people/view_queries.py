"""Stored views of people: the table `person_view`."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from idp.db.bulk import as_bound, rows_among, run_many
from idp.db.raw import Raw, one
from idp.people.tables import person_view


class StoredView(msgspec.Struct, frozen=True):
    """One person's row."""

    content: str  # JSON: values by catalogue key
    fingerprint: str  # of the rules that made it
    valid_until: date | None  # the day on which time alone may change it


class ViewKey(NamedTuple):
    """By what a view counts: the parameters of VIEW_OF_ACCOUNT."""

    fingerprint: str  # of the rules in force
    today: str  # 2026-11-30


# For reads on raw connections, beside `identity.account a`: v.content is NULL where no view counts.
VIEW_OF_ACCOUNT: Final = """LEFT JOIN identity.person_view v ON v.person_id = a.account_id AND v.fingerprint = ?
 AND (v.valid_until IS NULL OR v.valid_until > ?)
 AND NOT EXISTS (SELECT 1 FROM identity.person_change c WHERE c.person_id = a.account_id)"""

_READ: Final = f"SELECT v.content FROM identity.account a {VIEW_OF_ACCOUNT} WHERE a.account_id = ?"  # noqa: S608 - constants


def read_view(raw: Raw, person_id: str, key: ViewKey) -> str | None:
    """Return the content of a person's view if it counts."""
    row = one(raw.all(_READ, (*key, person_id)))
    return None if row is None else row[0]


def views_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, StoredView]:
    """Return the views of those of some people who have one, whether they count or not."""
    columns = (person_view.c.person_id, person_view.c.content, person_view.c.fingerprint, person_view.c.valid_until)
    rows = rows_among(connection, select(*columns), person_view.c.person_id, person_ids)
    return {row[0]: StoredView(*row[1:]) for row in rows}


def write_views(connection: Connection, views: Iterable[tuple[str, StoredView | None]]) -> None:
    """Write people's views; None deletes one."""
    views = list(views)
    until = person_view.c.valid_until
    run_many(
        connection,
        "INSERT INTO person_view (person_id, content, fingerprint, valid_until) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (person_id) DO UPDATE SET content = excluded.content, fingerprint = excluded.fingerprint,"
        " valid_until = excluded.valid_until",
        (
            (person_id, view.content, view.fingerprint, as_bound(connection, until, view.valid_until))
            for person_id, view in views
            if view is not None
        ),
    )
    gone = ((person_id,) for person_id, view in views if view is None)
    run_many(connection, "DELETE FROM person_view WHERE person_id = ?", gone)
