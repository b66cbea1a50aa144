"""To whom a removal was announced, and whose entries may be removed."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select

from idp.db.bulk import among
from idp.people.status import Access
from idp.people.tables import person
from idp.provisioning.tables import removal_notice, target_state


def closed_with_entries(
    connection: Connection, targets: Collection[str], announced_by: datetime | None, after: str, limit: int
) -> list[str]:
    """Return people whom the records close and who have an entry in one of some targets, sorted, behind a person_id.

    Shape:   announced_by: to whom the removal was announced by then; None: to whom it was never announced
    """
    has_entry = exists().where(*_has_entry(person.c.person_id, targets))
    notice = exists().where(removal_notice.c.person_id == person.c.person_id)
    is_announced = ~notice if announced_by is None else notice.where(removal_notice.c.announced_at <= announced_by)
    closed = (person.c.access == Access.CLOSED) & (person.c.person_id > after) & has_entry & is_announced
    query = select(person.c.person_id).where(closed).order_by(person.c.person_id).limit(limit)
    return list(connection.execute(query).scalars())


def _has_entry(person_id: ColumnElement[str], targets: Collection[str]) -> Sequence[ColumnElement[bool]]:
    return (
        target_state.c.person_id == person_id,
        target_state.c.target.in_(targets),
        target_state.c.applied.is_not(None),
    )


def add_notices(connection: Connection, person_ids: Sequence[str], at: datetime) -> None:
    """Keep that the removal was announced to these people."""
    connection.execute(insert(removal_notice), [{"person_id": each, "announced_at": at} for each in person_ids])


def drop_notices_of_removed(connection: Connection, person_ids: Sequence[str], targets: Collection[str]) -> None:
    """Forget the notices of those of some people who have no entry left in any of some targets."""
    has_entry = exists().where(*_has_entry(removal_notice.c.person_id, targets))
    connection.execute(
        delete(removal_notice).where(among(connection, removal_notice.c.person_id, person_ids), ~has_entry)
    )


def drop_notices_of_returned(connection: Connection) -> None:
    """Forget the notices of people whom the records do not close any more."""
    returned = select(person.c.person_id).where(person.c.access != Access.CLOSED)
    connection.execute(delete(removal_notice).where(removal_notice.c.person_id.in_(returned)))
