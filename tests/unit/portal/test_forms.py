"""Reading the portal's forms."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.accounts.settings import Detail
from idp.portal.forms import read_claim, read_mail_name, read_new_password

SENT = {
    "album": " 00123 ",
    "given_name": "Żaneta",
    "surname": "Źdźbło",
    "date_of_birth": "1905-03-14",
    "id_end": "1359",
}
ALL = list(Detail)


def test_a_complete_claim_has_values_and_no_errors() -> None:
    form = read_claim(SENT, ALL)

    assert form.errors == {}
    assert (form.album, form.typed.surname, form.typed.date_of_birth) == ("00123", "Źdźbło", date(1905, 3, 14))


@pytest.mark.parametrize(
    "text", ["1905-03-14", "14.03.1905", "14-03-1905", "14/03/1905", "19050314", "14 03 1905", "14.3.1905"]
)
def test_a_birthday_may_be_written_in_the_usual_ways(text: str) -> None:
    assert read_claim({**SENT, "date_of_birth": text}, ALL).typed.date_of_birth == date(1905, 3, 14)


@pytest.mark.parametrize("missing", ["given_name", "surname"])
def test_one_of_the_two_names_may_be_empty(missing: str) -> None:
    assert read_claim({**SENT, missing: ""}, ALL).errors == {}


def test_both_names_empty_is_an_error() -> None:
    assert list(read_claim({**SENT, "given_name": "", "surname": " "}, ALL).errors) == ["surname"]


def test_what_the_university_does_not_ask_for_is_neither_read_nor_missed() -> None:
    form = read_claim({**SENT, "date_of_birth": "", "id_end": "", "surname": "x"}, [Detail.SURNAME])

    assert form.errors == {}
    assert form.typed.given_name == ""
    assert "given_name" not in form.sent


@pytest.mark.parametrize(
    ("sent", "name", "wrong"),
    [
        ({"mail_name": "jan"}, "jan", []),
        ({"mail_name": "own", "own_name": "janek"}, "janek", []),
        ({"own_name": "janek"}, "janek", []),
        ({"mail_name": "jan", "own_name": "jan"}, "jan", []),
        ({"mail_name": "jan", "own_name": "janek"}, "jan", ["own_name"]),
        ({"mail_name": "own", "own_name": " "}, "", ["own_name"]),
        ({}, "", ["mail_name"]),
    ],
)
def test_a_mail_name_is_taken_only_when_it_is_plain_which_one_is_meant(
    sent: dict[str, str], name: str, wrong: list[str]
) -> None:
    chosen, errors = read_mail_name(sent)

    assert (chosen, list(errors)) == (name, wrong)


def test_a_password_is_read_exactly_as_typed() -> None:
    assert read_new_password({"password": "  kot  ", "password_again": "  kot  "}) == ("  kot  ", {})


@given(st.dictionaries(st.sampled_from([*SENT, "mail_name", "own_name", "password", "password_again"]), st.text()))
def test_whatever_is_sent_is_answered(sent: dict[str, str]) -> None:
    read_claim(sent, ALL)
    read_mail_name(sent)
    read_new_password(sent)
