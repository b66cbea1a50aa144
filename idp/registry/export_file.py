"""Validate a file as bytes: whole, in UTF-8, with the right header. Find where rows end. Content comes later."""

import codecs
import csv
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from idp.errors import RefusedSource
from idp.registry.reasons import Refusal
from idp.registry.rows import AT, COLUMNS, TIMESTAMP

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much is done, and how much there is."""

BLOCK: Final = 1 << 20
SEPARATOR: Final = ";"


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file, as it was before anything of it was read."""

    file: BinaryIO
    digest: str  # SHA-256 of the bytes
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class ExportFile:
    """An open export that is whole, in UTF-8 and has the right header."""

    file: BinaryIO
    name: str
    digest: str  # SHA-256 of the bytes
    size: int
    lines: int
    rows_at: int  # where the first row begins
    modified_ns: int


@contextmanager
def open_export(path: Path) -> Iterator[OpenFile]:
    """Open a file for one import. The digest is of the opened file, whatever replaces it at its path later.

    Raises:  RefusedSource if it does not exist, is not a plain file, or cannot be read
    """
    try:
        # A pipe can be read only once, and an import reads twice. O_NONBLOCK: opening one must not wait for a writer.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as exc:
        raise _not_readable(path, exc) from exc
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise RefusedSource(f"{path}: not a plain file.", Refusal.NOT_READABLE)
        try:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
        except OSError as exc:
            raise _not_readable(path, exc) from exc
        yield OpenFile(file, digest, status.st_size, status.st_mtime_ns)


def _not_readable(path: Path, error: OSError) -> RefusedSource:
    return RefusedSource(f"{path}: {error.strerror}.", Refusal.NOT_READABLE)


def validate_file(opened: OpenFile, name: str, progress: Progress) -> ExportFile:
    """Validate an open file and return it.

    Raises:  RefusedSource: not UTF-8, NUL bytes, no lines, another header, no rows, cut off
    """
    file, size = opened.file, opened.size
    _refuse_wide_encodings(file.read(4))
    file.seek(0)
    lines = _lines_of_utf8(file, size, progress)
    file.seek(0)
    header = file.readline()
    _check_header(header)
    rows_at = len(header)
    _check_end(file, size, rows_at)
    return ExportFile(file, name, opened.digest, size, lines, rows_at, opened.modified_ns)


def refuse_if_changed(source: ExportFile) -> None:
    """Refuse a file that changed while we read it.

    Raises:  RefusedSource
    """
    status = os.fstat(source.file.fileno())
    if (status.st_size, status.st_mtime_ns) != (source.size, source.modified_ns):
        raise RefusedSource(
            "The file was written to while it was read. Import it when the export is finished.",
            Refusal.CHANGED_WHILE_READ,
        )


def split(text: str) -> list[str]:
    """Return the fields of one row.

    Shape:   'a;"b;c"' and a line end -> ["a", "b;c"]
    Raises:  csv.Error when quotation marks do not close
    """
    if '"' not in text:
        return text.rstrip("\r\n").split(SEPARATOR)
    return next(csv.reader([text], delimiter=SEPARATOR, strict=True), [])


def quoted_row(first: bytes, rest: BinaryIO) -> tuple[bytes, list[str], int] | None:
    """Return a row that starts with line `first` and may go on over lines of `rest`: its bytes, fields and line count.

    None when its quotation marks do not close, or swallow rows: then the file stands behind `first` again, so that no
    row is lost to a stray mark in another.
    """
    behind_first = rest.tell()
    taken = [first]

    def more() -> Iterator[str]:
        yield first.decode()
        for line in rest:
            taken.append(line)
            yield line.decode()

    try:
        fields = next(csv.reader(more(), delimiter=SEPARATOR, strict=True), [])
    except csv.Error:
        fields = []
    swallowed = any(line.count(b";") == len(COLUMNS) - 1 for line in taken[1:])
    if len(fields) == len(COLUMNS) and not swallowed:
        return b"".join(taken), fields, len(taken)
    rest.seek(behind_first)
    return None


def _refuse_wide_encodings(start: bytes) -> None:
    for mark, encoding in (
        (codecs.BOM_UTF32_LE, "UTF-32"),
        (codecs.BOM_UTF16_LE, "UTF-16"),
        (codecs.BOM_UTF16_BE, "UTF-16"),
    ):
        if start.startswith(mark):
            raise RefusedSource(f"The file is {encoding}. {_advice(encoding)}", Refusal.NOT_UTF8)


def _lines_of_utf8(file: BinaryIO, size: int, progress: Progress) -> int:
    """Return how many line ends a file has, having read all of it as UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = done = letters = 0  # letters: those of more than one byte, roughly
    while block := file.read(BLOCK):
        found = block.count(b"\n")
        if b"\0" in block:
            line = lines + 1 + block[: block.index(b"\0")].count(b"\n")
            raise RefusedSource(f"Line {line} holds NUL bytes: this is not a text file.", Refusal.NUL_BYTES)
        try:
            letters += len(block) - len(decoder.decode(block))
        except UnicodeDecodeError as exc:
            # The decoder may hold the first byte of a letter from the block before: the line is near enough.
            line = lines + 1 + block[: exc.start].count(b"\n")
            raise RefusedSource(_not_utf8(block, line, letters), Refusal.NOT_UTF8) from None
        lines += found
        if not found and len(block) == BLOCK:
            raise RefusedSource("A line is longer than a megabyte: this is not a registry export.", Refusal.NO_LINES)
        done += len(block)
        progress("reading", done, 2 * size)  # the scan reads it once more
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise RefusedSource("The file ends within a letter: it was cut off on its way.", Refusal.TRUNCATED) from None
    return lines


def _not_utf8(block: bytes, line: int, letters: int) -> str:
    """Return the advice about a byte that is not UTF-8. `letters`: non-ASCII letters before this block."""
    text = block.decode(errors="replace")
    bad = text.count("\ufffd")
    letters += sum(not character.isascii() for character in text) - bad
    if letters > bad:
        return (
            f"Line {line} holds a byte that is not UTF-8; the rest of the file is UTF-8. Correct this line in the"
            " registry and export the file again."
        )
    encoding = guess_encoding(block)
    looks = f" It looks like {encoding}." if encoding else ""
    return f"Line {line} is not UTF-8.{looks} {_advice(encoding or 'CP1250')}"


def _advice(encoding: str) -> str:
    return f"Export it as UTF-8, or convert it: iconv -f {encoding} -t UTF-8 FILE > NEW."


def guess_encoding(block: bytes) -> str | None:
    """Return which Polish one-byte encoding `block` probably has.

    The two encodings differ in six letters: ą ś ź and their capitals.
    """
    windows = sum(block.count(bytes([byte])) for byte in (0xB9, 0x9C, 0x9F, 0xA5, 0x8C, 0x8F))
    latin2 = sum(block.count(bytes([byte])) for byte in (0xB1, 0xB6, 0xBC, 0xA1, 0xA6, 0xAC))
    if windows == latin2:
        return None
    return "CP1250" if windows > latin2 else "ISO-8859-2"


def _check_header(line: bytes) -> None:
    text = line.removeprefix(codecs.BOM_UTF8).decode().rstrip("\r\n")
    if not text.strip():
        raise RefusedSource("The file is empty.", Refusal.NO_ROWS)
    try:
        found = split(text)
    except csv.Error:
        found = [text]
    if found == list(COLUMNS):
        return
    if len(found) == 1:
        detail = f"columns must be separated by `{SEPARATOR}`"
    elif missing := [name for name in COLUMNS if name not in found]:
        detail = "missing: " + ", ".join(missing)
    elif unknown := [name for name in found if name not in AT]:
        detail = "unknown: " + ", ".join(name[:40] for name in unknown[:10])
    else:
        detail = "the columns stand in another order, or twice"
    raise RefusedSource(
        f"The header is not that of a registry export ({detail}). It must be: {SEPARATOR.join(COLUMNS)}",
        Refusal.WRONG_HEADER,
    )


def _check_end(file: BinaryIO, size: int, rows_at: int) -> None:
    """Refuse a file without rows, and a file whose last row may be cut off.

    A last row without a line end is whole only if its last column is a complete timestamp.
    """
    file.seek(max(rows_at, size - BLOCK))
    tail = file.read()
    if not tail.strip():
        raise RefusedSource("The file has a header and no rows. An absent person is not a deletion.", Refusal.NO_ROWS)
    if tail.endswith(b"\n"):
        return
    last = tail[tail.rfind(b"\n") + 1 :].decode(errors="replace")
    try:
        fields = split(last)
    except csv.Error:
        fields = []
    if len(fields) != len(COLUMNS) or not TIMESTAMP.fullmatch(fields[-1]):
        raise RefusedSource(
            "The last line is not whole: the file was cut off on its way. Export or copy it again.", Refusal.TRUNCATED
        )
