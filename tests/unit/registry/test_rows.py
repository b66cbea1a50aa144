from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.people.values import Status
from idp.registry.reasons import SENTENCES, Reason, Remark
from idp.registry.rows import COLUMNS, BadRow, Row, Rules, read_row, read_stamp
from tests.support.exports import FOREIGNER, export_row
from tests.support.hostile import HOSTILE

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)
RULES = Rules(today=date(2026, 10, 1), believed_until=NOW, mac=lambda purpose, text: f"{purpose}({text})")


def read(**changes: str) -> Row:
    fields = export_row(**changes)
    return read_row(2, fields, read_stamp(fields, RULES), RULES)


def reason_of(**changes: str) -> Reason:
    with pytest.raises(BadRow) as bad:
        read(**changes)
    return bad.value.reason


def test_a_good_row_is_read() -> None:
    row = read()

    assert row.changed_at == datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
    assert (row.identity.album, row.identity.given_name, row.identity.surname) == ("12345", "Anna", "Nowak")
    assert row.identity.born_on == date(1902, 2, 27)
    assert (row.enrolment.programme, row.enrolment.status) == ("INF-S1", Status.ACTIVE)
    assert row.remarks == ()


def test_national_ids_are_kept_only_as_keyed_hashes() -> None:
    identity = read(**FOREIGNER | {"pesel": "02022700003", "plec": "K"}).identity

    assert identity.pesel_mac == "pesel(02022700003)"
    assert identity.pesel_end_mac == "pesel-end(0003)"
    assert identity.document_mac == "document(UA:AB123456)"
    assert identity.document_end_mac == "document-end(3456)"


def outcome(fields: list[str]) -> Row | Reason:
    try:
        return read_row(2, fields, read_stamp(fields, RULES), RULES)
    except BadRow as bad:
        return bad.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"zmieniono": "2026-09-01T10:00:00"}, Reason.CHANGED_FORM),
        ({"zmieniono": "2026-09-01"}, Reason.CHANGED_FORM),
        ({"zmieniono": "2026-09-01T10:00:00+0"}, Reason.CHANGED_FORM),
        ({"zmieniono": "2026-13-01T10:00:00Z"}, Reason.CHANGED_FORM),
        ({"zmieniono": ""}, Reason.CHANGED_FORM),
        ({"zmieniono": "2026-10-01T12:00:01+02:00"}, Reason.CHANGED_IN_FUTURE),
        ({"zmieniono": "9999-12-31T23:59:59-14:00"}, Reason.CHANGED_IN_FUTURE),
        ({"zmieniono": "0001-01-01T00:00:00+14:00"}, Reason.CHANGED_FORM),
        ({"prog_kod": " "}, Reason.PROGRAMME_MISSING),
        ({"prog_kod": "P" * 33}, Reason.TEXT_TOO_LONG),
        ({"prog_nazwa": ""}, Reason.TEXT_MISSING),
        ({"jednostka": "\u00a0"}, Reason.TEXT_MISSING),
        ({"prog_nazwa": "=1+1"}, Reason.TEXT_FORMULA),
        ({"poziom": "4"}, Reason.LEVEL_FORM),
        ({"forma": "Z"}, Reason.FORM_FORM),
        ({"status": "skreslony"}, Reason.STATUS_UNKNOWN),
        ({"status_od": ""}, Reason.DATE_FORM),
        ({"status_od": "01.10.2025"}, Reason.DATE_FORM),
        ({"status_od": "20251001"}, Reason.DATE_FORM),
        ({"data_ur": "1902-02-30"}, Reason.DATE_FORM),
        ({"data_ur": "2027-01-01", "pesel": ""}, Reason.BIRTH_IN_FUTURE),
        ({"nr_albumu": "12A45"}, Reason.ALBUM_FORM),
        ({"nr_albumu": "12345678901"}, Reason.ALBUM_FORM),
        ({"nr_albumu": "١٢٣"}, Reason.ALBUM_FORM),
        ({"imie": "", "nazwisko": " "}, Reason.NAME_MISSING),
        ({"imie": "\u0410nna"}, Reason.NAME_MIXED_SCRIPTS),
        ({"imie": "Анна"}, Reason.NAME_MIXED_SCRIPTS),
        ({"nazwisko": "No?ak"}, Reason.NAME_QUESTION_MARK),
        ({"nazwisko_poprzednie": "=A1"}, Reason.NAME_FORMULA),
        ({"imie2": "M" * 65}, Reason.NAME_TOO_LONG),
        ({"plec": "F"}, Reason.SEX_FORM),
        ({"obywatelstwo": "Polska"}, Reason.CITIZENSHIP_FORM),
        ({"pesel": ""}, Reason.PESEL_MISSING),
        ({"pesel": "", "obywatelstwo": "UA|PL"}, Reason.PESEL_MISSING),
        ({"pesel": "2022700003"}, Reason.PESEL_LOST_ZERO),
        ({"pesel": "2,02270E+09"}, Reason.PESEL_SCIENTIFIC),
        ({"pesel": "02022700004"}, Reason.PESEL_CHECK_DIGIT),
        ({"data_ur": "1902-02-28"}, Reason.PESEL_NOT_BIRTH_DATE),
        ({"plec": "M"}, Reason.PESEL_NOT_SEX),
        ({"pesel": "", "obywatelstwo": "UA"}, Reason.IDENTITY_MISSING),
        (FOREIGNER | {"dok_numer": "?"}, Reason.DOCUMENT_FORM),
        (FOREIGNER | {"dok_kraj": ""}, Reason.DOCUMENT_FORM),
        ({"telefon": "\x00"}, Reason.CONTROL_CHARACTERS),
        ({"jednostka": "W\x1bEAI"}, Reason.CONTROL_CHARACTERS),
        ({"prog_kod": "\x1b[2JINF"}, Reason.CONTROL_CHARACTERS),
        ({"prog_nazwa": "Informatyka\x9b31m"}, Reason.CONTROL_CHARACTERS),
        ({"jednostka": "WEAI\u202e"}, Reason.CONTROL_CHARACTERS),
        ({"email_prywatny": "anna@example.com\u2066"}, Reason.CONTROL_CHARACTERS),
        ({"imie": "..."}, Reason.NAME_NO_LETTER),
        ({"nazwisko": "NULL"}, Reason.NAME_NO_VALUE),
        ({"nazwisko": "null"}, Reason.NAME_NO_VALUE),
    ],
)
def test_each_bad_row_has_its_reason(changes: dict[str, str], reason: Reason) -> None:
    assert reason_of(**changes) is reason


def test_every_reason_has_a_sentence_for_the_person_who_mends_it() -> None:
    assert set(SENTENCES) == set(Reason)


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"nazwisko": "KOWALSKA - NOWAK"}, "surname", "Kowalska-Nowak"),
        ({"imie": "Zoe\u0308\u200b"}, "given_name", "Zoë"),
        ({"imie": "", "nazwisko": "Suharto"}, "given_name", ""),
        ({"nazwisko": "Ødegård"}, "surname", "Ødegård"),
        ({"prefiks_nazwiska": "VAN DER", "nazwisko": "BERG"}, "surname_prefix", "van der"),
        ({"nr_albumu": " 00123\u00a0"}, "album", "00123"),
        ({"nr_albumu": ""}, "album", None),
        ({"obywatelstwo": "pl|de"}, "citizenships", "PL|DE"),
        ({"data_ur": "", "plec": ""}, "born_on", date(1902, 2, 27)),
        ({"data_ur": "", "plec": ""}, "sex", "K"),
    ],
)
def test_what_can_be_put_right_without_a_guess_is_put_right(changes: dict[str, str], name: str, value: object) -> None:
    assert getattr(read(**changes).identity, name) == value


def test_quoted_separators_and_line_ends_are_part_of_a_programmes_name() -> None:
    assert read(prog_nazwa="Zarządzanie;\r\n produkcja").enrolment.programme_name == "Zarządzanie; produkcja"


@pytest.mark.parametrize(
    "mail", ["anna at example.com", "anna@localhost", "a@b.pl\nBcc: x@y.pl", "a b@c.pl", "<a@b.pl>"]
)
def test_an_unusable_private_address_costs_the_letter_and_not_the_account(mail: str) -> None:
    row = read(email_prywatny=mail)

    assert (row.identity.private_mail, row.remarks) == ("", (Remark.MAIL_UNUSABLE,))


def test_a_document_that_is_not_needed_does_not_spoil_a_row() -> None:
    row = read(dok_numer="?", dok_kraj="PL")

    assert (row.identity.document_mac, row.remarks) == (None, (Remark.DOCUMENT_UNUSABLE,))


@given(st.lists(st.text(max_size=30), min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_whatever_stands_in_a_row_it_is_read_or_has_a_reason(fields: list[str]) -> None:
    found = outcome(fields)

    assert found in SENTENCES if isinstance(found, Reason) else found.identity.display_name


@given(st.sampled_from(COLUMNS), st.text(max_size=40))
def test_whatever_stands_in_one_cell_the_row_is_read_or_has_a_reason(column: str, text: str) -> None:
    found = outcome(export_row(**{column: text}))

    if isinstance(found, Row):
        assert all(len(value) <= 64 for value in msgspec.structs.astuple(found.identity) if isinstance(value, str))


@pytest.mark.parametrize(
    ("column", "reason"),
    [("nazwisko", Reason.NAME_TOO_LONG), ("prog_nazwa", Reason.TEXT_TOO_LONG), ("prog_kod", Reason.TEXT_TOO_LONG)],
)
def test_a_cell_far_too_long_is_refused_before_it_is_normalised(column: str, reason: Reason) -> None:
    with pytest.raises(BadRow) as refusal:
        read(**{column: HOSTILE})

    assert refusal.value.reason is reason
