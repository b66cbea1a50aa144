"""Counts for `idp status`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from idp.people.tables import account, person
from idp.people.values import AccountKind
from idp.registry.tables import import_run


@dataclass(frozen=True, slots=True)
class LastImport:
    """The latest import, whatever its outcome."""

    import_id: str
    file_name: str
    state: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    people: int


def people_by_access(connection: Connection) -> dict[str, int]:
    """Return how many people are active, suspended, closed. Staff are counted by their accounts alone."""
    is_staff_account = (account.c.account_id == person.c.person_id) & (account.c.kind == AccountKind.STAFF)
    query = select(person.c.access, func.count()).outerjoin(account, is_staff_account)
    rows = connection.execute(query.where(account.c.account_id.is_(None)).group_by(person.c.access))
    return {row[0]: row[1] for row in rows}


def accounts_by_kind(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return, by kind of person, the number of accounts and the number of claimed ones."""
    rows = connection.execute(
        select(account.c.kind, func.count(), func.count(account.c.claimed_at)).group_by(account.c.kind)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def last_import(connection: Connection) -> LastImport | None:
    """Return the latest import; None if there was none."""
    columns = (
        import_run.c.import_id,
        import_run.c.file_name,
        import_run.c.state,
        import_run.c.reason,
        import_run.c.started_at,
        import_run.c.finished_at,
        import_run.c.people,
    )
    row = connection.execute(select(*columns).order_by(import_run.c.started_at.desc()).limit(1)).one_or_none()
    return None if row is None else LastImport(*row)
