from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.pl import pesel as reference

from idp.people.national_ids import (
    Pesel,
    PeselFault,
    contradiction,
    last_four,
    parse_document,
    parse_pesel,
)

TODAY = date(2026, 10, 1)


@pytest.mark.parametrize(
    ("text", "born_on", "sex"),
    [("44051401359", date(1944, 5, 14), "M"), ("99923100564", date(1899, 12, 31), "K")],
)
def test_a_pesel_tells_birth_and_sex(text: str, born_on: date, sex: str) -> None:
    assert parse_pesel(text) == Pesel(text, born_on, sex)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("44051401358", PeselFault.CHECK_DIGIT),
        ("00000000000", PeselFault.ZEROS),
        ("0", PeselFault.ZEROS),
        ("0227140986", PeselFault.LOST_ZERO),
        ("227140986", PeselFault.LOST_ZERO),
        ("4.40514E+10", PeselFault.SCIENTIFIC),
        ("4,40514E+10", PeselFault.SCIENTIFIC),
        ("440514-01359", PeselFault.FORM),
        ("４４０５１４０１３５９", PeselFault.FORM),
        ("44051401359\n", PeselFault.FORM),
        ("4402300135" + reference.calc_check_digit("4402300135"), PeselFault.DATE),
    ],
)
def test_each_spoiled_pesel_is_told_apart(text: str, fault: PeselFault) -> None:
    assert parse_pesel(text) is fault


def test_a_valid_number_of_the_future_contradicts_the_calendar() -> None:
    found = parse_pesel("99222800112")

    assert isinstance(found, Pesel)
    assert contradiction(found, None, "", TODAY) is PeselFault.FUTURE


def test_a_pesel_must_fit_birth_and_sex_where_they_are_known() -> None:
    pesel = Pesel("44051401359", date(1944, 5, 14), "M")

    assert contradiction(pesel, None, "", TODAY) is None
    assert contradiction(pesel, date(1944, 5, 14), "M", TODAY) is None
    assert contradiction(pesel, date(1944, 5, 15), "M", TODAY) is PeselFault.NOT_BIRTH_DATE
    assert contradiction(pesel, date(1944, 5, 14), "K", TODAY) is PeselFault.NOT_SEX


def test_a_pesel_does_not_show_in_a_log_or_traceback() -> None:
    assert "44051401359" not in repr(parse_pesel("44051401359"))


@given(st.text(st.sampled_from("0123456789"), min_size=10, max_size=10))
def test_the_judgement_agrees_with_stdnum(first_ten: str) -> None:
    number = first_ten + reference.calc_check_digit(first_ten)

    assert isinstance(parse_pesel(number), Pesel) == (reference.is_valid(number) and number != "00000000000")


@given(st.from_regex(r"\A[0-9]{11}\Z"))
def test_a_wrong_check_digit_is_always_seen(number: str) -> None:
    assert (parse_pesel(number) is PeselFault.CHECK_DIGIT) == (
        number[10] != reference.calc_check_digit(number[:10]) and number != "00000000000"
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [("ab 123-4567", "AB1234567"), ("X1-2", None), ("", None), ("12345", "12345"), ("A" * 21, None)],
)
def test_a_document_number_is_matched_without_blanks_and_case(text: str, number: str | None) -> None:
    assert parse_document(text) == number


def test_the_last_four_are_the_same_typed_and_stored() -> None:
    assert last_four(" ab 123-4567") == last_four("AB1234567") == "4567"
