"""Read and write import runs and the quarantine."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from idp.db.bulk import among
from idp.registry.tables import ImportState, import_run, quarantine

RUNNING, DONE, REFUSED, BROKEN_OFF = (state.value for state in ImportState)


class LastRun(msgspec.Struct, frozen=True):
    """What a finished import says about the file that it read."""

    import_id: str
    finished_at: datetime
    people: int
    fill: dict[str, float]


class QuarantinedRow(msgspec.Struct, frozen=True, gc=False):
    """A row for the quarantine."""

    os_id: str
    programme: str
    line: int
    reason: str
    row_mac: str
    sealed_row: str


class QuarantineEntry(msgspec.Struct, frozen=True):
    """A row in quarantine, without its content."""

    quarantine_id: str
    os_id: str
    programme: str
    reason: str
    line: int
    import_id: str
    file_name: str
    first_seen_at: datetime
    last_seen_at: datetime


def begin_run(connection: Connection, import_id: str, file_name: str, is_delta: bool, actor: str, at: datetime) -> None:
    """Record the start of an import. Mark imports that a kill left unfinished."""
    connection.execute(update(import_run).where(import_run.c.state == RUNNING).values(state=BROKEN_OFF, finished_at=at))
    connection.execute(
        insert(import_run).values(
            import_id=import_id,
            file_name=file_name[-200:],
            file_digest="",
            is_delta=is_delta,
            actor=actor,
            state=RUNNING,
            reason="",
            started_at=at,
            people=0,
            fill="{}",
            counts="{}",
        )
    )


def end_run(
    connection: Connection,
    import_id: str,
    at: datetime,
    *,
    state: str,
    file_digest: str,
    reason: str = "",
    people: int = 0,
    fill: dict[str, float] | None = None,
    newest_at: datetime | None = None,
    counts: dict[str, Any] | None = None,
) -> None:
    """Record the end of an import."""
    connection.execute(
        update(import_run)
        .where(import_run.c.import_id == import_id)
        .values(
            state=state,
            file_digest=file_digest,
            reason=reason,
            finished_at=at,
            people=people,
            fill=msgspec.json.encode(fill or {}).decode(),
            newest_at=newest_at,
            counts=msgspec.json.encode(counts or {}).decode(),
        )
    )


def last_full_run(connection: Connection) -> LastRun | None:
    """Return the last full file that was imported. The next one is compared with it."""
    return _last(connection, import_run.c.is_delta.is_(False))


def last_run_of(connection: Connection, file_digest: str) -> LastRun | None:
    """Return the last import of exactly this file."""
    return _last(connection, import_run.c.file_digest == file_digest)


def newest_row_taken(connection: Connection) -> datetime | None:
    """Return the latest `zmieniono` of all imported files."""
    newest: datetime | None = connection.execute(
        select(func.max(import_run.c.newest_at)).where(import_run.c.state == DONE)
    ).scalar_one()
    return newest


def quarantine_rows(
    connection: Connection,
    rows: Sequence[QuarantinedRow],
    import_id: str,
    file_digest: str,
    at: datetime,
    ids: Iterator[str],
) -> None:
    """Quarantine rows. A row that is there already is marked as seen again.

    Another row of the same person and programme keeps the time at which the first one was seen.

    Shape:   ids: new keys
    """
    by_mac = {row.row_mac: row for row in rows}
    if not by_mac:
        return
    known = set(
        connection.execute(
            select(quarantine.c.row_mac).where(among(connection, quarantine.c.row_mac, by_mac))
        ).scalars()
    )
    seen = [{"mac": mac, "new_reason": row.reason, "new_line": row.line} for mac, row in by_mac.items() if mac in known]
    if seen:
        again = (
            update(quarantine)
            .where(quarantine.c.row_mac == bindparam("mac"))
            .values(
                reason=bindparam("new_reason"),
                line=bindparam("new_line"),
                import_id=import_id,
                file_digest=file_digest,
                last_seen_at=at,
            )
        )
        connection.execute(again, seen)
    first_seen = _first_seen(connection, {row.os_id for row in rows} - {""})
    fresh = [
        {
            "quarantine_id": next(ids),
            **msgspec.structs.asdict(row),
            "import_id": import_id,
            "file_digest": file_digest,
            "first_seen_at": first_seen.get((row.os_id, row.programme), at),
            "last_seen_at": at,
        }
        for mac, row in by_mac.items()
        if mac not in known
    ]
    if fresh:
        connection.execute(insert(quarantine), fresh)


def _first_seen(connection: Connection, os_ids: Collection[str]) -> dict[tuple[str, str], datetime]:
    """Return, by os_id and programme, since when rows of people are in quarantine."""
    query = (
        select(quarantine.c.os_id, quarantine.c.programme, func.min(quarantine.c.first_seen_at))
        .where(among(connection, quarantine.c.os_id, os_ids))
        .group_by(quarantine.c.os_id, quarantine.c.programme)
    )
    return {(os_id, programme): at for os_id, programme, at in connection.execute(query)}


def resolve(connection: Connection, os_ids: Collection[str], import_id: str, programmes: Collection[str] | None) -> int:
    """Delete rows of people about whom the import says something new. Return how many are resolved.

    A row is not resolved if the import brought another invalid row of the same person and programme.

    Shape:   programmes: only rows of these and rows without a programme; None: all rows, for a full file
    """
    old = delete(quarantine).where(among(connection, quarantine.c.os_id, os_ids), quarantine.c.import_id != import_id)
    if programmes is not None:
        old = old.where(quarantine.c.programme.in_(["", *programmes]))
    new = quarantine.alias()
    is_replaced = (
        select(new.c.row_mac)
        .where(
            new.c.os_id == quarantine.c.os_id,
            new.c.programme == quarantine.c.programme,
            new.c.import_id == import_id,
        )
        .exists()
    )
    connection.execute(old.where(is_replaced))
    return connection.execute(old).rowcount


def purge_unseen(connection: Connection, import_id: str, *, nameless: bool, before: datetime) -> int:
    """Delete rows that no import can resolve any more. Return how many.

    Shape:   nameless: also rows without os_id that are not in the full file of `import_id`
             before: rows that were last seen earlier
    """
    old = quarantine.c.last_seen_at < before
    withdrawn = (quarantine.c.os_id == "") & (quarantine.c.import_id != import_id)
    return connection.execute(delete(quarantine).where(old | withdrawn if nameless else old)).rowcount


def quarantine_entries(connection: Connection, limit: int | None = None) -> list[QuarantineEntry]:
    """Return the quarantined rows without their content, in the order of the last file."""
    query = (
        select(
            quarantine.c.quarantine_id,
            quarantine.c.os_id,
            quarantine.c.programme,
            quarantine.c.reason,
            quarantine.c.line,
            quarantine.c.import_id,
            func.coalesce(import_run.c.file_name, ""),
            quarantine.c.first_seen_at,
            quarantine.c.last_seen_at,
        )
        .outerjoin(import_run, import_run.c.import_id == quarantine.c.import_id)
        .order_by(quarantine.c.import_id.desc(), quarantine.c.line, quarantine.c.quarantine_id)
        .limit(limit)
    )
    return [QuarantineEntry(*row) for row in connection.execute(query)]


def count_quarantined(connection: Connection) -> int:
    """Return the number of quarantined rows."""
    return connection.execute(select(func.count()).select_from(quarantine)).scalar_one()


def people_in_quarantine(connection: Connection, os_ids: Collection[str]) -> set[str]:
    """Return the os_ids that have rows in quarantine."""
    return set(
        connection.execute(select(quarantine.c.os_id).where(among(connection, quarantine.c.os_id, os_ids))).scalars()
    )


def _last(connection: Connection, condition: Any) -> LastRun | None:
    row = connection.execute(
        select(import_run.c.import_id, import_run.c.finished_at, import_run.c.people, import_run.c.fill)
        .where(import_run.c.state == DONE, condition)
        .order_by(import_run.c.finished_at.desc(), import_run.c.import_id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return LastRun(row.import_id, row.finished_at, row.people, msgspec.json.decode(row.fill, type=dict[str, float]))


def newest_import_id(connection: Connection, actor: str | None = None) -> str | None:
    """Return the id of the last finished import. With `actor`, of the last one by this actor."""
    query = select(func.max(import_run.c.import_id)).where(import_run.c.state == DONE)
    if actor is not None:
        query = query.where(import_run.c.actor == actor)
    newest: str | None = connection.execute(query).scalar_one()
    return newest
