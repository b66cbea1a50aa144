"""Where a person's records came from, and what was written of them: for explanations. No national ids."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from idp.people.tables import address, enrolment, person
from idp.people.values import AddressKind
from idp.provisioning.run import ChangeRow, ChangeState
from idp.provisioning.tables import change, run
from idp.registry.tables import import_run

MOST_CHANGES = 500  # of one person, the newest first
_CHANGE = [change.c[each.name] for each in fields(ChangeRow)]


@dataclass(frozen=True, slots=True)
class Origin:
    """The row of a registry file that something was last taken from."""

    import_id: str
    file_name: str  # "" when the import is not known any more
    line: int
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProgrammeOrigin:
    """A programme as the registry last told of it."""

    programme: str
    status: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Written:
    """A change that a run made."""

    change: ChangeRow
    run_id: str
    requested_by: str
    at: datetime | None


def origin_of_person(connection: Connection, person_id: str) -> Origin | None:
    """Return the row from which the person's name, album and mail address were last taken."""
    row = connection.execute(_origins(person, person_id)).one_or_none()
    return None if row is None else Origin(*row)


def origins_of_programmes(connection: Connection, person_id: str) -> list[ProgrammeOrigin]:
    """Return each programme with the row from which it was last taken."""
    query = _origins(enrolment, person_id).add_columns(enrolment.c.programme, enrolment.c.status)
    rows = connection.execute(query.order_by(enrolment.c.programme))
    return [ProgrammeOrigin(row.programme, row.status, Origin(*row[:4])) for row in rows]


def _origins(table: Table, person_id: str) -> Select[Any]:
    """Return the query for the rows that a person's rows in a table were last taken from."""
    taken_at = func.coalesce(import_run.c.finished_at, import_run.c.started_at)
    columns = (table.c.source_import, func.coalesce(import_run.c.file_name, ""), table.c.source_line, taken_at)
    known = table.outerjoin(import_run, import_run.c.import_id == table.c.source_import)
    return select(*columns).select_from(known).where(table.c.person_id == person_id)


def chosen_at(connection: Connection, person_id: str) -> datetime | None:
    """Return when a person chose the mail name; None: not yet."""
    query = select(address.c.since).where(address.c.person_id == person_id, address.c.kind == AddressKind.PRIMARY)
    found: datetime | None = connection.execute(query).scalar_one_or_none()
    return found


def written_of(connection: Connection, person_id: str) -> list[Written]:
    """Return what runs have written of a person, the newest first."""
    query = (
        select(*_CHANGE, change.c.run_id, run.c.requested_by, run.c.created_by, change.c.done_at)
        .join(run, run.c.run_id == change.c.run_id)
        .where(change.c.person_id == person_id, change.c.state.in_((ChangeState.DONE, ChangeState.UNVERIFIED)))
        .order_by(change.c.done_at.desc(), change.c.run_id.desc())
        .limit(MOST_CHANGES)
    )
    return [
        Written(ChangeRow(*row[:-4]), row.run_id, row.requested_by or row.created_by, row.done_at)
        for row in connection.execute(query)
    ]
