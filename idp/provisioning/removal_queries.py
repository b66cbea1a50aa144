"""To whom a removal was announced, and whose entries may be removed."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, select

from idp.people.status import Access
from idp.people.tables import person
from idp.provisioning.tables import removal_notice, target_state


def closed_with_entries(connection: Connection, targets: Collection[str], after: str, limit: int) -> list[str]:
    """Return people whom the records close and who have an entry in one of some targets, sorted, behind a person_id."""
    has_entry = exists().where(
        target_state.c.person_id == person.c.person_id,
        target_state.c.target.in_(targets),
        target_state.c.applied.is_not(None),
    )
    query = select(person.c.person_id).where(person.c.access == Access.CLOSED, person.c.person_id > after, has_entry)
    return list(connection.execute(query.order_by(person.c.person_id).limit(limit)).scalars())


def announced_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when the removal was announced to those of some people to whom it was."""
    query = select(removal_notice).where(removal_notice.c.person_id.in_(person_ids))
    return {row.person_id: row.announced_at for row in connection.execute(query)}


def add_notices(connection: Connection, person_ids: Sequence[str], at: datetime) -> None:
    """Keep that the removal was announced to these people."""
    if person_ids:
        rows = [{"person_id": person_id, "announced_at": at} for person_id in person_ids]
        connection.execute(insert(removal_notice), rows)


def drop_notices(connection: Connection, person_ids: Sequence[str]) -> None:
    """Forget that a removal was announced to these people."""
    connection.execute(delete(removal_notice).where(removal_notice.c.person_id.in_(person_ids)))


def drop_notices_of_returned(connection: Connection) -> None:
    """Forget the notices of people whom the records do not close any more."""
    returned = select(person.c.person_id).where(person.c.access != Access.CLOSED)
    connection.execute(delete(removal_notice).where(removal_notice.c.person_id.in_(returned)))
