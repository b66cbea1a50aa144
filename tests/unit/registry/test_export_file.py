import hashlib
import os
from pathlib import Path

import pytest

from idp.errors import RefusedSource
from idp.registry.export_file import ExportFile, guess_encoding, open_export, refuse_if_changed, split, validate_file
from idp.registry.reasons import Refusal
from tests.support.exports import export_row, export_text, person_rows
from tests.support.imports import no_progress

GOOD = export_text([export_row(), *person_rows(3)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export.csv"


def validated(file: Path, content: bytes) -> ExportFile:
    file.write_bytes(content)
    with open_export(file) as opened:
        return validate_file(opened, file.name, no_progress)


def test_the_digest_is_of_what_is_read_though_another_file_takes_its_place(file: Path, tmp_path: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    newer = tmp_path / "newer.csv"
    newer.write_text(export_text([export_row()]), encoding="utf-8")

    with open_export(file) as opened:
        newer.replace(file)
        source = validate_file(opened, file.name, no_progress)
        source.file.seek(0)
        assert source.digest == hashlib.sha256(source.file.read()).hexdigest()


def test_a_file_that_grows_while_its_digest_is_made_is_refused(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")

    with open_export(file) as opened:
        with file.open("a", encoding="utf-8") as writer:
            writer.write("9;")
        with pytest.raises(RefusedSource) as refused:
            refuse_if_changed(validate_file(opened, file.name, no_progress))

    assert refused.value.reason in (Refusal.CHANGED_WHILE_READ, Refusal.TRUNCATED)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)

    for path in (pipe, tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(RefusedSource) as refused, open_export(path):
            pass
        assert refused.value.reason == Refusal.NOT_READABLE


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", Refusal.NO_ROWS),
        (b"\xef\xbb\xbf", Refusal.NO_ROWS),
        (export_text([]).encode(), Refusal.NO_ROWS),
        (export_text([]).encode() + b"\n\r\n", Refusal.NO_ROWS),
        (GOOD.replace("Anna", "Łucja").encode("cp1250"), Refusal.NOT_UTF8),
        (GOOD.replace("Anna", "Łucja Świąż").encode("iso-8859-2"), Refusal.NOT_UTF8),
        (GOOD.encode("utf-16"), Refusal.NOT_UTF8),
        (GOOD.encode("utf-32"), Refusal.NOT_UTF8),
        (GOOD.encode("utf-16-le"), Refusal.NUL_BYTES),
        (GOOD.replace("Anna", "An\0na").encode(), Refusal.NUL_BYTES),
        (GOOD.replace(";", ",").encode(), Refusal.WRONG_HEADER),
        (GOOD.replace(";", "\t").encode(), Refusal.WRONG_HEADER),
        (GOOD.replace("os_id", "osid").encode(), Refusal.WRONG_HEADER),
        (GOOD.replace("imie;imie2", "imie2;imie").encode(), Refusal.WRONG_HEADER),
        (GOOD.replace("zmieniono", "zmieniono;x").encode(), Refusal.WRONG_HEADER),
        (GOOD.split("\n", 1)[1].encode(), Refusal.WRONG_HEADER),
        (b'"' * 1000, Refusal.WRONG_HEADER),
        (GOOD[:-40].encode(), Refusal.TRUNCATED),
        (GOOD[:-4].encode(), Refusal.TRUNCATED),
        (GOOD.encode() + b'1;2;"', Refusal.TRUNCATED),
        (GOOD.encode() + "1;2;Łuż".encode()[:-1], Refusal.TRUNCATED),
        (b"x" * 3_000_000, Refusal.NO_LINES),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(file: Path, content: bytes, refusal: Refusal) -> None:
    with pytest.raises(RefusedSource) as refused:
        validated(file, content)

    assert refused.value.reason == refusal


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_either_line_end_are_taken(file: Path, mark: bytes, line_end: str) -> None:
    content = mark + GOOD.replace("\n", line_end).encode()

    found = validated(file, content)

    assert (found.lines, found.size) == (5, len(content))
    assert content[found.rows_at :].startswith(b"101;")


def test_a_last_row_without_a_line_end_is_taken_when_it_is_whole(file: Path) -> None:
    assert validated(file, GOOD.rstrip("\n").encode()).lines == 4


@pytest.mark.parametrize(("encoding", "name"), [("cp1250", "CP1250"), ("iso-8859-2", "ISO-8859-2")])
def test_a_refusal_says_which_encoding_it_looks_like_and_how_to_convert(file: Path, encoding: str, name: str) -> None:
    with pytest.raises(RefusedSource, match=f"Line 2 is not UTF-8.*iconv -f {name} -t UTF-8"):
        validated(file, GOOD.replace("Anna", "Świąż Ąś").encode(encoding))


@pytest.mark.parametrize("good", ["Świąż", "Świąż Ąś Żółć"])
def test_one_bad_byte_in_a_utf8_file_is_not_taken_for_another_encoding(file: Path, good: str) -> None:
    content = (GOOD.replace("Anna", good) + GOOD.splitlines()[1].replace("Anna", "An#na") + "\n").encode()

    with pytest.raises(RefusedSource, match=r"Line 6 holds a byte that is not UTF-8; the rest") as refused:
        validated(file, content.replace(b"#", b"\xb1"))

    assert "iconv" not in str(refused.value)


def test_nothing_is_guessed_where_both_encodings_agree() -> None:
    assert guess_encoding("łóżęć".encode("cp1250")) is None


def test_a_missing_column_is_named(file: Path) -> None:
    with pytest.raises(RefusedSource, match="missing: pesel"):
        validated(file, GOOD.replace(";pesel;", ";PESEL;").encode())


def test_quoted_separators_do_not_separate() -> None:
    assert split('a;"b;""c""\n";d\r\n') == ["a", 'b;"c"\n', "d"]
