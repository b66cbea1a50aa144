"""Read the registry export: the columns that fees need, row by row (docs/domain.md, registry export)."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from idp.errors import InvalidInput, RefusedSource
from idp.fees.texts import clean
from idp.fees.values import Programme

COLUMNS = (
    "os_id",
    "nr_albumu",
    "imie",
    "prefiks_nazwiska",
    "nazwisko",
    "prog_kod",
    "prog_nazwa",
    "jednostka",
    "poziom",
    "forma",
    "status",
    "status_od",
    "zmieniono",
)
STATUSES = frozenset(
    {
        "admitted",
        "active",
        "leave",
        "suspended",
        "cancelled",
        "graduated_end_of_study",
        "graduated_before_diploma",
        "graduated_diploma",
    }
)
SEPARATOR = ";"
MAX_NAME = 64
MAX_LINES_OF_ROW = 20
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it stands in the file."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One student in one programme, checked."""

    line: int
    os_id: str
    album: str | None
    given_name: str
    surname: str
    programme: Programme
    changed_at: datetime

    @property
    def age(self) -> tuple[datetime, str]:
        """What decides which of two rows is newer; the text settles a tie, so that the order of rows means nothing."""
        return (self.changed_at, repr((self.album, self.given_name, self.surname, self.programme)))


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not taken, and why."""

    line: int
    os_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class StudentsFile:
    """An export that could be read as a table; its rows are not checked yet."""

    name: str
    digest: str
    rows: tuple[RawRow, ...]


def read_students_file(file: Path) -> StudentsFile:
    """Return the rows of an export.

    Raises:  RefusedSource when it is not UTF-8, not such a table, or empty
    """
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise RefusedSource(f"{file}: {exc.strerror}", "unreadable") from exc
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise RefusedSource(f"{file.name}: not UTF-8 (byte {exc.start + 1}). Export it as UTF-8.", "encoding") from exc
    rows = tuple(_rows(file.name, text))
    if not rows:
        raise RefusedSource(f"{file.name}: no rows. An absent student is no deleted one: this says nothing.", "empty")
    return StudentsFile(file.name, hashlib.sha256(content).hexdigest(), rows)


def parse_row(raw: RawRow, now: datetime) -> Row:
    """Return the row, checked and cleaned.

    Raises:  InvalidInput; its text says which column and why, without a name in it
    """
    given_name, surname = _name(raw, "imie"), f"{_name(raw, 'prefiks_nazwiska')} {_name(raw, 'nazwisko')}".strip()
    if not given_name and not surname:
        raise InvalidInput("imie and nazwisko: one of them must be there")
    status = raw.cells["status"].strip()
    if status not in STATUSES:
        raise InvalidInput(f"status: unknown word {status[:32]!r}")
    return Row(
        raw.line,
        os_id_of(raw),
        _album(raw),
        given_name,
        surname,
        Programme(
            code=_required(raw, "prog_kod", 64),
            name=_required(raw, "prog_nazwa", 400),
            unit=_required(raw, "jednostka", 400),
            level=_required(raw, "poziom", 8),
            form=_required(raw, "forma", 8),
            status=status,
            status_from=_date(raw, "status_od"),
        ),
        changed_at_of(raw, now),
    )


def os_id_of(raw: RawRow) -> str:
    """Return the registry's key of the person. Raises: InvalidInput."""
    os_id = raw.cells["os_id"].strip()
    if not re.fullmatch(r"[0-9]{1,20}", os_id):
        raise InvalidInput("os_id: digits only")
    return os_id


def changed_at_of(raw: RawRow, now: datetime) -> datetime:
    """Return when the registry changed the row. Raises: InvalidInput, also for a moment still to come."""
    try:
        changed_at = datetime.fromisoformat(raw.cells["zmieniono"].strip())
    except ValueError:
        raise InvalidInput("zmieniono: no date and time") from None
    if changed_at.tzinfo is None:
        raise InvalidInput("zmieniono: the offset from UTC is missing")
    # Believed, a future moment would make every later change stale.
    if changed_at > now + CLOCK_SKEW:
        raise InvalidInput("zmieniono: lies in the future")
    return changed_at


def _rows(name: str, text: str) -> Iterator[RawRow]:
    lines = list(io.StringIO(text, newline="\n"))
    header, at = _row(lines, 0, width=0) if lines else ([], 1)
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise RefusedSource(f"{name}: no registry export; missing columns: {', '.join(missing)}", "header")
    while at < len(lines):
        cells, taken = _row(lines, at, len(header))
        if lines[at].strip():
            yield RawRow(at + 1, dict(zip(header, cells, strict=True)) if len(cells) == len(header) else {})
        at += taken


def _row(lines: Sequence[str], at: int, width: int) -> tuple[list[str], int]:
    """Return the cells of the row that begins at a line, and how many lines it has.

    A stray quotation mark spoils its own row only: what would swallow whole rows behind it is no quoted newline.
    """
    if '"' not in lines[at]:
        return lines[at].rstrip("\r\n").split(SEPARATOR), 1
    reader = csv.reader(lines[at : at + MAX_LINES_OF_ROW], delimiter=SEPARATOR, strict=True)
    try:
        cells = next(reader, [])
    except csv.Error:
        return [], 1
    swallowed = any(line.count(SEPARATOR) >= width - 1 for line in lines[at + 1 : at + reader.line_num])
    return ([], 1) if swallowed else (cells, reader.line_num)


def _album(raw: RawRow) -> str | None:
    album = raw.cells["nr_albumu"].strip()
    if not re.fullmatch(r"[0-9]{0,10}", album):
        raise InvalidInput("nr_albumu: 1 to 10 digits")
    return album or None


def _name(raw: RawRow, column: str) -> str:
    text = _text(raw, column)
    if len(text) > MAX_NAME:
        raise InvalidInput(f"{column}: longer than {MAX_NAME} characters")
    return text


def _required(raw: RawRow, column: str, longest: int) -> str:
    text = _text(raw, column)
    if not 0 < len(text) <= longest:
        raise InvalidInput(f"{column}: must be there, up to {longest} characters")
    return text


def _text(raw: RawRow, column: str) -> str:
    try:
        return clean(raw.cells[column])
    except InvalidInput as mistake:
        raise InvalidInput(f"{column}: {mistake}") from None


def _date(raw: RawRow, column: str) -> date:
    try:
        return date.fromisoformat(raw.cells[column].strip())
    except ValueError:
        raise InvalidInput(f"{column}: no date like 2026-10-01") from None
