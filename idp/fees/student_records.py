"""What is known of students: built from checked rows, merged with what is stored."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from idp.fees.students_file import BadRow, Row
from idp.fees.values import Programme

Claims = dict[str, dict[str, str]]
"""Album number -> who claims it (os_id) -> the album as written."""


@dataclass(frozen=True, slots=True)
class Dated:
    """A programme and when the registry last changed it."""

    programme: Programme
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StudentRecord:
    """One student as the registry tells; `programmes` by their codes."""

    os_id: str
    album: str | None
    given_name: str
    surname: str
    changed_at: datetime
    programmes: Mapping[str, Dated]


def album_number(album: str) -> str:
    """Return the number without leading zeros: albums that differ only there are one number."""
    return album.lstrip("0") or "0"


def records_of(rows: Iterable[Row], owners: Mapping[str, str]) -> tuple[list[StudentRecord], list[BadRow]]:
    """Return the students of a file, and the rows that contradict each other.

    Shape:   owners: album number -> os_id of everybody stored
             one student with two albums, and two students with one: all their rows are bad, for a human must decide;
             of 007 and 7, which are one number, it belongs to who has it, or else who was registered first
    """
    of_person: dict[str, list[Row]] = defaultdict(list)
    claims: Claims = defaultdict(dict)
    for row in rows:
        of_person[row.os_id].append(row)
        if row.album:
            claims[album_number(row.album)][row.os_id] = row.album
    records: list[StudentRecord] = []
    bad: list[BadRow] = []
    for os_id, own in of_person.items():
        if reason := _contradiction(os_id, own, claims, owners):
            bad += [BadRow(row.line, os_id, reason) for row in own]
        else:
            records.append(_record(own))
    return records, bad


def merged(stored: StudentRecord, fresh: StudentRecord) -> StudentRecord:
    """Return `stored` with what `fresh` knows better; equal to `stored` when that is nothing.

    Programmes that the file does not name stay as they are, and an album once known is not forgotten.
    """
    person = fresh if fresh.changed_at >= stored.changed_at else stored
    return replace(
        person, album=person.album or stored.album or fresh.album, programmes={**stored.programmes, **fresh.programmes}
    )


def _contradiction(os_id: str, rows: Iterable[Row], claims: Claims, owners: Mapping[str, str]) -> str | None:
    numbers = {album_number(row.album) for row in rows if row.album}
    if len(numbers) > 1:
        return "nr_albumu: one person with two albums"
    for number in numbers:
        rivals, owner = claims[number], owners.get(number)
        if sum(album == rivals[os_id] for album in rivals.values()) > 1:
            return "nr_albumu: two people with one album"
        first = min(rivals, key=lambda rival: (rival != owner, int(rival)))
        if owner not in (None, os_id) or first != os_id:
            return "nr_albumu: belongs to somebody else"
    return None


def _record(rows: Iterable[Row]) -> StudentRecord:
    """Join one person's rows: the newest tells the name, each programme has its newest row."""
    by_age = sorted(rows, key=lambda row: row.age)
    newest = by_age[-1]
    album = newest.album or next((row.album for row in by_age if row.album), None)
    programmes = {row.programme.code: Dated(row.programme, row.changed_at) for row in by_age}
    return StudentRecord(newest.os_id, album, newest.given_name, newest.surname, newest.changed_at, programmes)
