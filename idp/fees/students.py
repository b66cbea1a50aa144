"""Take students and their programmes from a registry export, and open each an individual account."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from idp.clock import Clock
from idp.errors import InvalidInput, RefusedSource
from idp.fees.accounts import open_missing_accounts
from idp.fees.database import Database
from idp.fees.days import today
from idp.fees.journal import STUDENTS_IMPORTED, STUDENTS_REFUSED, Event, record
from idp.fees.settings import FeesSettings
from idp.fees.student_records import StudentRecord, album_number, merged, records_of
from idp.fees.student_tables import load_records, write_records
from idp.fees.students_file import (
    BadRow,
    RawRow,
    Row,
    StudentsFile,
    changed_at_of,
    os_id_of,
    parse_row,
    read_students_file,
)


@dataclass(frozen=True, slots=True)
class StudentsImported:
    """What became of a file: rows that were bad or stale; people that were added, changed or left alone."""

    file: str
    rows: int
    stale: int
    bad: tuple[BadRow, ...]
    added: int
    changed: int
    unchanged: int
    accounts_opened: int


def import_students(
    database: Database, settings: FeesSettings, time_zone: str, clock: Clock, file: Path, actor: str
) -> StudentsImported:
    """Return what became of the export `file`.

    Raises:  RefusedSource, and nothing is taken: not such a table, or too many bad rows
    Effect:  students, programmes and missing accounts are written; a repeat changes nothing; nobody is removed, for
             absence is not deletion
    """
    try:
        return _take(database, settings, time_zone, clock, read_students_file(file), actor)
    except RefusedSource as refusal:
        with database.write() as connection:
            record(
                connection,
                clock.now(),
                Event(STUDENTS_REFUSED, actor, file.name, {"reason": refusal.reason, "sentence": str(refusal)}),
            )
        raise


def _take(
    database: Database, settings: FeesSettings, time_zone: str, clock: Clock, source: StudentsFile, actor: str
) -> StudentsImported:
    with database.write_alone() as connection:
        stored = load_records(connection)
        fresh, stale, bad = _understood(source.rows, stored, clock.now())
        _refuse_if_too_bad(settings, source, bad)
        added, changed = _differences(stored, fresh)
        write_records(connection, added, changed)
        day = today(clock, time_zone)
        result = StudentsImported(
            file=source.name,
            rows=len(source.rows),
            stale=stale,
            bad=tuple(bad),
            added=len(added),
            changed=len(changed),
            unchanged=len(fresh) - len(added) - len(changed),
            accounts_opened=open_missing_accounts(connection, settings.bank_code, settings.kinds, day),
        )
        counts = asdict(result) | {"bad": len(bad), "digest": source.digest}
        record(connection, clock.now(), Event(STUDENTS_IMPORTED, actor, source.name, counts))
    return result


def _understood(
    raws: Sequence[RawRow], stored: Mapping[str, StudentRecord], now: datetime
) -> tuple[list[StudentRecord], int, list[BadRow]]:
    """Return the students of the file, the number of stale rows, and the bad rows by line."""
    rows: list[Row] = []
    bad: list[BadRow] = []
    stale = 0
    for raw in raws:
        try:
            # Staleness is judged first: otherwise last year's file would be a flood of bad rows.
            if _is_stale(raw, stored, now):
                stale += 1
            else:
                rows.append(parse_row(raw, now))
        except InvalidInput as mistake:
            bad.append(BadRow(raw.line, raw.cells.get("os_id", "").strip()[:20], str(mistake)))
    owners = {album_number(known.album): os_id for os_id, known in stored.items() if known.album}
    fresh, contradictions = records_of(rows, owners)
    return fresh, stale, sorted([*bad, *contradictions], key=lambda row: row.line)


def _is_stale(raw: RawRow, stored: Mapping[str, StudentRecord], now: datetime) -> bool:
    if not raw.cells:
        raise InvalidInput("the number of columns differs from the header")
    known = stored.get(os_id_of(raw))
    dated = known.programmes.get(raw.cells["prog_kod"].strip()) if known else None
    return dated is not None and changed_at_of(raw, now) < dated.changed_at


def _differences(
    stored: Mapping[str, StudentRecord], fresh: Sequence[StudentRecord]
) -> tuple[list[StudentRecord], dict[str, tuple[StudentRecord, StudentRecord]]]:
    """Return who is new, and os_id -> (before, after) of those who changed."""
    added = [student for student in fresh if student.os_id not in stored]
    changed = {}
    for student in fresh:
        if before := stored.get(student.os_id):
            after = merged(before, student)
            if after != before:
                changed[student.os_id] = (before, after)
    return added, changed


def _refuse_if_too_bad(settings: FeesSettings, source: StudentsFile, bad: Sequence[BadRow]) -> None:
    limit = max(settings.bad_rows_floor, int(settings.bad_rows_share * len(source.rows)))
    if len(bad) > limit:
        first = "; ".join(f"line {row.line}: {row.reason}" for row in bad[:3])
        raise RefusedSource(
            f"{source.name}: {len(bad)} of {len(source.rows)} rows bad, limit {limit}; nothing was taken. {first} …",
            "bad_rows",
        )
