"""Read and write students and their programmes in bulk, and find one by the album."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, tuple_, update

from idp.fees import tables
from idp.fees.student_records import Dated, StudentRecord, album_number
from idp.fees.values import Programme, Student

PROGRAMME_FIELDS = tuple(Programme.__dataclass_fields__)
BATCH = 5_000


def load_records(connection: Connection) -> dict[str, StudentRecord]:
    """Return everybody stored, by os_id."""
    programmes: dict[int, dict[str, Dated]] = defaultdict(dict)
    for row in connection.execute(select(tables.programme)):
        programmes[row.student_id][row.code] = Dated(_programme(row), row.changed_at)
    return {
        row.os_id: StudentRecord(
            row.os_id, row.album, row.given_name, row.surname, row.changed_at, programmes[row.student_id]
        )
        for row in connection.execute(select(tables.student))
    }


def write_records(
    connection: Connection, added: Sequence[StudentRecord], changed: Mapping[str, tuple[StudentRecord, StudentRecord]]
) -> None:
    """Write new students, and changed ones given as os_id -> (before, after).

    Effect:  a programme's row is replaced; nobody and no programme is removed
    """
    if added:
        connection.execute(insert(tables.student), [_student_row(record) for record in added])
    if changed:
        statement = update(tables.student).where(tables.student.c.os_id == bindparam("key"))
        rows = [{**_student_row(after), "key": os_id} for os_id, (_, after) in changed.items()]
        connection.execute(statement, rows)
    fresh = {record.os_id: record.programmes for record in added}
    for os_id, (before, after) in changed.items():
        fresh[os_id] = {code: dated for code, dated in after.programmes.items() if before.programmes.get(code) != dated}
    _replace_programmes(connection, fresh)


def find_student(connection: Connection, album: str) -> Student | None:
    """Return the student with this album number, leading zeros or not."""
    found = connection.execute(select(tables.student).where(tables.student.c.album_number == album_number(album)))
    row = found.one_or_none()
    if row is None:
        return None
    rows = connection.execute(
        select(tables.programme)
        .where(tables.programme.c.student_id == row.student_id)
        .order_by(tables.programme.c.status_from.desc(), tables.programme.c.code)
    )
    return _student(row, tuple(_programme(programme) for programme in rows))


def all_students(connection: Connection) -> list[Student]:
    """Return everybody, by album."""
    programmes: dict[int, list[Programme]] = defaultdict(list)
    for row in connection.execute(select(tables.programme).order_by(tables.programme.c.code)):
        programmes[row.student_id].append(_programme(row))
    query = select(tables.student).order_by(tables.student.c.album_number, tables.student.c.student_id)
    return [_student(row, tuple(programmes[row.student_id])) for row in connection.execute(query)]


def ids_by_album(connection: Connection) -> dict[str, int]:
    """Return album number -> student_id of everybody who has an album."""
    query = select(tables.student.c.album_number, tables.student.c.student_id)
    return {row.album_number: row.student_id for row in connection.execute(query) if row.album_number}


def _replace_programmes(connection: Connection, fresh: Mapping[str, Mapping[str, Dated]]) -> None:
    found = connection.execute(select(tables.student.c.os_id, tables.student.c.student_id))
    ids = {row.os_id: row.student_id for row in found}
    rows = [
        {"student_id": ids[os_id], "changed_at": dated.changed_at, **asdict(dated.programme)}
        for os_id, programmes in fresh.items()
        for dated in programmes.values()
    ]
    key = tuple_(tables.programme.c.student_id, tables.programme.c.code)
    for batch in _batches(rows):
        connection.execute(delete(tables.programme).where(key.in_([(row["student_id"], row["code"]) for row in batch])))
        connection.execute(insert(tables.programme), batch)


def _batches(rows: Sequence[dict[str, object]]) -> Iterable[Sequence[dict[str, object]]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _student_row(record: StudentRecord) -> dict[str, object]:
    return {
        "os_id": record.os_id,
        "album": record.album,
        "album_number": album_number(record.album) if record.album else None,
        "given_name": record.given_name,
        "surname": record.surname,
        "changed_at": record.changed_at,
    }


def _student(row: Row[tuple[object, ...]], programmes: tuple[Programme, ...]) -> Student:
    return Student(row.student_id, row.os_id, row.album, row.given_name, row.surname, programmes)


def _programme(row: Row[tuple[object, ...]]) -> Programme:
    return Programme(**{name: getattr(row, name) for name in PROGRAMME_FIELDS})
