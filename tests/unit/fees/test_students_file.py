"""Reading the registry export: which rows are taken, and why others are not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from idp.errors import InvalidInput, RefusedSource
from idp.fees.students_file import RawRow, Row, parse_row, read_students_file
from tests.support.fees import registry_export, student_row
from tests.support.hostile import HOSTILE

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)


def parsed(**cells: str) -> Row:
    return parse_row(RawRow(2, {"prefiks_nazwiska": ""} | student_row(**cells)), NOW)


def written(folder: Path, content: bytes) -> Path:
    file = folder / "export.csv"
    file.write_bytes(content)
    return file


def test_the_columns_that_fees_need_are_taken(tmp_path: Path) -> None:
    source = read_students_file(registry_export(tmp_path / "export.csv", [student_row(prefiks_nazwiska="van")]))

    row = parse_row(source.rows[0], NOW)

    assert (row.line, row.os_id, row.album) == (2, "1001", "12345")
    assert (row.given_name, row.surname) == ("Żaneta", "van Źdźbło-Ćwik")
    assert (row.programme.code, row.programme.status, row.programme.form) == ("INF-S1", "active", "S")
    assert row.changed_at == datetime(2026, 9, 20, 6, 0, tzinfo=UTC)


def test_columns_may_stand_in_any_order_and_others_are_left_alone(tmp_path: Path) -> None:
    header = ";".join(reversed(list(student_row() | {"prefiks_nazwiska": "", "pesel": ""})))

    source = read_students_file(registry_export(tmp_path / "export.csv", [student_row()], header))

    assert parse_row(source.rows[0], NOW).os_id == "1001"


def test_a_byte_order_mark_crlf_quotes_and_newlines_in_quotes_are_understood(tmp_path: Path) -> None:
    plain = registry_export(tmp_path / "plain.csv", [student_row(prog_nazwa='"Prawo; ""nowe""\nI rok"')])
    text = plain.read_text(encoding="utf-8")

    source = read_students_file(written(tmp_path, ("\ufeff" + text.replace("\n", "\r\n")).encode()))

    assert parse_row(source.rows[0], NOW).programme.name == 'Prawo; "nowe" I rok'


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"nazwisko": "Z\u0301dz\u0301b\u0142o"}, "Źdźbło"),  # decomposed letters
        ({"nazwisko": "\u00a0Nowak\u200b "}, "Nowak"),  # no-break and zero-width blanks
        ({"nazwisko": "Kowalska  -  Nowak"}, "Kowalska - Nowak"),
    ],
)
def test_names_are_cleaned_of_what_nobody_sees(cells: dict[str, str], expected: str) -> None:
    assert parsed(**cells).surname == expected


def test_one_of_the_two_names_may_be_missing() -> None:
    assert parsed(imie="", nazwisko="Suharto").surname == "Suharto"
    with pytest.raises(InvalidInput, match="one of them"):
        parsed(imie="", nazwisko=" ")


def test_a_student_before_admission_may_have_no_album() -> None:
    assert parsed(nr_albumu="", status="admitted").album is None


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("os_id", "12a"),
        ("os_id", ""),
        ("nr_albumu", "1,2345E+4"),
        ("nr_albumu", "12345678901"),
        ("nr_albumu", "１２３"),
        ("status", "studies"),
        ("status_od", "01.10.2026"),
        ("zmieniono", "2026-09-20T08:00:00"),
        ("zmieniono", "yesterday"),
        ("zmieniono", "2026-10-02T08:00:00+02:00"),
        ("prog_kod", ""),
        ("prog_nazwa", ""),
        ("nazwisko", "x" * 65),
    ],
)
def test_a_bad_cell_names_its_column(column: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=column):
        parsed(**{column: text})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header"),
        (b"os_id,nr_albumu\n1,2\n", "header"),
        ("os_id;imię\n".encode("cp1250"), "encoding"),
        (b"\xff\xfeo\x00s\x00", "encoding"),
    ],
)
def test_what_is_no_registry_export_is_refused_whole(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(RefusedSource) as refusal:
        read_students_file(written(tmp_path, content))

    assert refusal.value.reason == reason


def test_an_export_without_rows_says_nothing_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedSource) as refusal:
        read_students_file(registry_export(tmp_path / "export.csv", []))

    assert refusal.value.reason == "empty"


def test_a_stray_quotation_mark_spoils_its_own_row_and_swallows_nobody(tmp_path: Path) -> None:
    rows = [student_row(imie='"Jan'), student_row(os_id="1002"), student_row(imie='"J"an'), student_row(os_id="1004")]

    source = read_students_file(registry_export(tmp_path / "export.csv", rows))

    assert [raw.line for raw in source.rows] == [2, 3, 4, 5]
    assert [raw.cells.get("os_id") for raw in source.rows] == [None, "1002", None, "1004"]


def test_a_row_that_was_cut_off_is_bad_and_the_others_are_not(tmp_path: Path) -> None:
    file = registry_export(tmp_path / "export.csv", [student_row(), student_row(os_id="1002")])
    text = file.read_text(encoding="utf-8")

    source = read_students_file(written(tmp_path, text[: len(text) - 40].encode()))

    assert [bool(raw.cells) for raw in source.rows] == [True, False]


def test_characters_that_no_database_keeps_make_a_row_bad() -> None:
    with pytest.raises(InvalidInput, match="nazwisko"):
        parsed(nazwisko="Now\x00ak")


def test_a_cell_far_too_long_is_refused_before_it_is_normalised() -> None:
    with pytest.raises(InvalidInput, match="nazwisko: longer than 1024 characters"):
        parsed(nazwisko=HOSTILE)
