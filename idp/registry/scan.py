"""Scan an export once: find its people, where their rows are, and whose rows have changed.

What is kept per person and row is a few plain numbers, so that memory stays small for a million people; a row's text is
read again only where it has to be looked at. Most people in most files have not changed, and their rows are never read.
"""

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

from idp.people.names import clean
from idp.registry.export_file import ExportFile, Progress, quoted_row, split
from idp.registry.guards import too_many_bad_rows
from idp.registry.reasons import Reason
from idp.registry.rows import AT, COLUMNS, TIMESTAMP

MASK: Final = (1 << 63) - 1  # what a signed 64-bit column of the database holds
_PLACE_BITS: Final = 29
_PLACES: Final = (1 << _PLACE_BITS) - 1
_SEPARATORS: Final = len(COLUMNS) - 1
_SAMPLED_IN_FULL: Final = 20_000  # rows; of larger files every 16th is enough to tell how full a column is
_NONE: Final = (1 << 64) - 1
_MAX_NUMBER_BYTES: Final = 256  # of a cell that may be a number: its digits, and what a spreadsheet puts around them


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row without the form of a row. It does not say safely whose it is."""

    line: int
    text: str
    reason: Reason
    os_id: str  # "" unless the row begins with one


@dataclass(slots=True)
class Scan:
    """What a file holds. People and rows are numbered 0, 1, 2 … in the order of appearance (`place`, `row`)."""

    source: ExportFile
    place_of: dict[int, int] = field(default_factory=dict)  # by os_id
    os_ids: "array[int]" = field(default_factory=lambda: array("Q"))
    sums: "array[int]" = field(default_factory=lambda: array("Q"))  # of the keyed digests of a person's rows
    last_rows: "array[int]" = field(default_factory=lambda: array("q"))
    rows_before: "array[int]" = field(default_factory=lambda: array("q"))  # by row: the person's row before it, or -1
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    lengths: "array[int]" = field(default_factory=lambda: array("I"))
    lines: "array[int]" = field(default_factory=lambda: array("L"))
    claims: "array[int]" = field(default_factory=lambda: array("Q"))  # album number and place in one number
    malformed: list[MalformedRow] = field(default_factory=list)
    fill: dict[str, float] = field(default_factory=dict)
    newest: datetime | None = None  # `zmieniono` of the newest row that can be believed
    same: bytearray = field(default_factory=bytearray)  # by place: 1 when the rows are those last taken
    known: bytearray = field(default_factory=bytearray)  # by place: 1 when the person is in the store
    stored: int = 0  # people of the store who are in the file
    stored_in_all: int = 0

    @property
    def rows(self) -> int:
        """Rows of the file, malformed ones too."""
        return len(self.offsets) + len(self.malformed)

    @property
    def people(self) -> int:
        return len(self.os_ids)

    def digest(self, place: int) -> int:
        """Return a person's digest, independent of the order of rows. It is never 0, which means `evaluate again`."""
        return self.sums[place] or 1

    def compare(self, stored: Iterable[tuple[str, int]]) -> None:
        """Mark the people whose rows are unchanged. `stored` are (os_id, digest) pairs."""
        self.same, self.known = bytearray(self.people), bytearray(self.people)
        place_of, sums, same, known = self.place_of, self.sums, self.same, self.known
        for os_id, digest in stored:
            self.stored_in_all += 1
            place = place_of.get(int(os_id)) if os_id.isdigit() else None
            if place is not None:
                self.stored += 1
                known[place] = 1
                if digest and digest == (sums[place] or 1):
                    same[place] = 1

    def to_evaluate(self) -> Iterator[int]:
        """Yield the places of people whose rows must be evaluated."""
        return (place for place, same in enumerate(self.same) if not same)

    def fill_of_known(self) -> tuple[int, dict[str, float]]:
        """Return how many rows known people have, and the share of these rows that fills each column."""
        fill = _Fill(every=1 if self.stored <= _SAMPLED_IN_FULL else 16)
        for place, is_known in enumerate(self.known):
            if is_known:
                for _, text in self.texts(place):
                    fill.seen += 1
                    if not fill.seen % fill.every:
                        fill.add(b"", split(text))
        return fill.seen, fill.shares()

    def texts(self, place: int) -> list[tuple[int, str]]:
        """Return line and text of each of a person's rows."""
        descriptor = self.source.file.fileno()
        found = []
        row = self.last_rows[place]
        while row >= 0:
            text = os.pread(descriptor, self.lengths[row], self.offsets[row]).decode()
            found.append((self.lines[row], text))
            row = self.rows_before[row]
        return found[::-1]

    def adder(self) -> Callable[[int, int, int, int, int, int], None]:
        """Return a function that adds a row: offset, length, line, os_id, album number, digest.

        A closure over what it writes to: a file has a million rows.
        """
        place_of, sums, last_rows, rows_before = self.place_of, self.sums, self.last_rows, self.rows_before
        offsets, lengths, lines, claims = self.offsets, self.lengths, self.lines, self.claims

        def add(offset: int, length: int, line: int, os_id: int, album: int, digest: int) -> None:
            row = len(offsets)
            place = place_of.get(os_id)
            if place is None:
                place = place_of[os_id] = len(sums)
                self.os_ids.append(os_id)
                sums.append(digest & MASK)
                last_rows.append(row)
                rows_before.append(-1)
            else:
                sums[place] = (sums[place] + digest) & MASK
                rows_before.append(last_rows[place])
                last_rows[place] = row
            offsets.append(offset)
            lengths.append(length)
            lines.append(line)
            if album != _NONE:
                claims.append(album << _PLACE_BITS | place)

        return add

    def contested(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each album number that rows of several people carry, with the places of these people."""
        several: dict[int, set[int]] = {}
        before = -1  # a claim may be 0: album 0 of the first person
        for claim in sorted(self.claims):  # those of one number stand side by side; most are of one person
            if before >= 0 and 0 < claim ^ before <= _PLACES:
                several.setdefault(claim >> _PLACE_BITS, {before & _PLACES}).add(claim & _PLACES)
            before = claim
        for number, places in several.items():
            yield number, sorted(places)


def scan_file(
    source: ExportFile, row_key: bytes, believed_until: datetime, most_malformed: int | None, progress: Progress
) -> Scan:
    """Return what a validated file holds.

    Shape:   row_key: secret, because digests are stored and a row holds a PESEL among guessable values
             believed_until: later times of change are ignored
             most_malformed: more malformed rows refuse the file (None: any number may come)
    Raises:  RefusedSource
    """
    found = Scan(source)
    keyed = blake2b(key=row_key, digest_size=8)
    fill = _Fill(every=1 if source.lines <= _SAMPLED_IN_FULL else 16)
    newest = _Newest(believed_until)
    add = found.adder()
    for offset, line, raw, fields, reason in _rows(source, progress):
        os_id, album = _key(raw, fields) if reason is None else (_NONE, _NONE)
        if os_id in (0, _NONE):
            found.malformed.append(_malformed_row(line, raw, reason or Reason.OS_ID_FORM))
            if most_malformed is not None and len(found.malformed) > most_malformed:
                reasons = Counter(one.reason.value for one in found.malformed)
                raise too_many_bad_rows(reasons, source.lines - 1)
            continue
        text = raw.rstrip(b"\r\n")
        digest = keyed.copy()
        digest.update(text)
        add(offset, len(raw), line, os_id, album, int.from_bytes(digest.digest(), "little"))
        fill.seen += 1
        if not fill.seen % fill.every:
            fill.add(raw, fields)
        at = text[text.rfind(b";") + 1 :] if fields is None else fields[-1].encode()
        if at > newest.text:
            newest.add(at)
    found.fill = fill.shares()
    found.newest = newest.at
    return found


# Offset, line, bytes, fields (None: the row has no quotation marks), and the reason if the row is malformed.
_RawRow = tuple[int, int, bytes, list[str] | None, Reason | None]


def _rows(source: ExportFile, progress: Progress) -> Iterator[_RawRow]:
    offset, line = source.rows_at, 1
    file = source.file
    file.seek(offset)
    for raw in file:
        line += 1
        count, fields, reason = 1, None, None
        if b'"' in raw:
            quoted = quoted_row(raw, file)
            if quoted is None:
                reason = Reason.QUOTING
            else:
                raw, fields, count = quoted
        elif raw.count(b";") != _SEPARATORS:
            reason = Reason.COLUMNS
        if reason is None or raw.strip():  # empty lines are skipped
            yield offset, line, raw, fields, reason
        offset += len(raw)
        line += count - 1
        if not line & 0x3FFF:
            progress("reading", source.size + offset, 2 * source.size)


def _key(raw: bytes, fields: list[str] | None) -> tuple[int, int]:
    """Return os_id and album number; _NONE for a field of another form."""
    if fields is None:
        os_id, album, _ = raw.split(b";", 2)
    else:
        os_id, album = fields[0].encode(), fields[1].encode()
    return _number(os_id, 18), _number(album, 10)


class _Newest:
    """Find the latest time of change. Only texts that sort behind the latest one are parsed."""

    def __init__(self, believed_until: datetime) -> None:
        self.believed_until = believed_until
        self.at: datetime | None = None
        self.text = b""

    def add(self, text: bytes) -> None:
        """Look at a time that is later than `text`, as text: offsets make hours of difference, and we judge by days."""
        text = text.rstrip()
        if text > self.text and (at := self._read(text)) is not None:
            self.text = text
            self.at = at if self.at is None else max(at, self.at)

    def _read(self, text: bytes) -> datetime | None:
        try:
            plain = text.decode("ascii")
            at = datetime.fromisoformat(plain) if TIMESTAMP.fullmatch(plain) else None
        except ValueError:
            return None
        return at.astimezone(UTC) if at is not None and at <= self.believed_until else None


class _Fill:
    """Count in how many rows each column is filled, from a sample."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.seen = self.sampled = 0
        self.filled = [0] * len(COLUMNS)

    def add(self, raw: bytes, fields: list[str] | None) -> None:
        """Count a row of the sample. The caller counts `seen` and passes one row of `every`."""
        self.sampled += 1
        for column, text in enumerate(fields if fields is not None else raw.decode().split(";")):
            if text and not text.isspace():
                self.filled[column] += 1

    def shares(self) -> dict[str, float]:
        return {name: self.filled[AT[name]] / self.sampled if self.sampled else 0.0 for name in COLUMNS}


PESEL_DIGITS: Final = 11


def os_id_of(text: str) -> str:
    """Return the os_id with which a row's text begins, or ""."""
    number = _number(text.split(";", 1)[0].encode(), 18)
    return "" if number in (0, _NONE) else str(number)


def album_number_of(text: str) -> str:
    """Return the album number in a row's text without leading zeros, or ""."""
    cell = split(text)[1] if '"' in text else text.split(";", 2)[1]
    number = _number(cell.encode(), 10)
    return "" if number == _NONE else str(number)


def _number(field: bytes, longest: int) -> int:
    """Return the number that a field is, or _NONE. Leading zeros mean nothing: `os_id` is an integer (DOMAIN 1)."""
    if field.isdigit() and len(field) <= longest:
        return int(field)
    if len(field) > _MAX_NUMBER_BYTES:
        return _NONE
    text = clean(field.decode())
    return int(text) if text.isascii() and text.isdigit() and len(text) <= longest else _NONE


def _malformed_row(line: int, raw: bytes, reason: Reason) -> MalformedRow:
    text = raw.decode()
    os_id = os_id_of(text)
    # A cell with a line break in it makes a "row" that may begin with the next cell: a PESEL is kept nowhere in clear.
    return MalformedRow(line, text, reason, "" if len(os_id) == PESEL_DIGITS else os_id)
