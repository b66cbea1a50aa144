"""How sources besides the registry know people: the table `person_source`."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import msgspec
from sqlalchemy import Connection, delete, select

from idp.db.bulk import insert_once, rows_among
from idp.people.tables import person_source
from idp.people.values import Source


class PersonSource(msgspec.Struct, frozen=True):
    """The key by which a source knows a person."""

    source: Source
    external_id: str


def add_source(connection: Connection, person_id: str, new: PersonSource, at: datetime) -> bool:
    """Write that a source knows a person; False when it did before."""
    row = {"person_id": person_id, "source": new.source.value, "external_id": new.external_id, "since": at}
    return insert_once(connection, person_source, row)


def remove_source(connection: Connection, person_id: str, source: Source) -> bool:
    """Write that a source no longer knows a person; False when it did not."""
    own = delete(person_source).where(person_source.c.person_id == person_id, person_source.c.source == source.value)
    return connection.execute(own).rowcount == 1


def sources_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, tuple[PersonSource, ...]]:
    """Return the sources of those of some people who have any, by person_id."""
    query = select(*_COLUMNS).order_by(person_source.c.person_id, person_source.c.source)
    rows = rows_among(connection, query, person_source.c.person_id, person_ids)
    return {
        person_id: tuple(PersonSource(Source(row.source), row.external_id) for row in own)
        for person_id, own in groupby(rows, key=lambda row: str(row.person_id))
    }


_COLUMNS = (person_source.c.person_id, person_source.c.source, person_source.c.external_id)
