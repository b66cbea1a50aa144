"""Whether what was typed is what the registry knows."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from idp.accounts.claim import earliest_retry
from idp.accounts.claim_queries import Claimable
from idp.accounts.matching import Details, matches
from idp.accounts.settings import Detail

RECORD = Claimable(
    person_id="p1",
    uid="u2345678a",
    album="12345",
    given_name="Żaneta",
    middle_name="Maria",
    surname_prefix="",
    surname="Źdźbło-Ćwik",
    previous_surname="Nowak",
    born_on=date(1905, 3, 14),
    pesel_end_mac="pesel 1359",
    document_end_mac=None,
    enabled=True,
    claimed_at=None,
)
TYPED = Details(
    given_name="Żaneta",
    surname="Źdźbło-Ćwik",
    born_on=date(1905, 3, 14),
    pesel_end_mac="pesel 1359",
    document_end_mac="document 1359",
)
ALL = list(Detail)


def typed(**change: object) -> Details:
    return replace(TYPED, **change)  # type: ignore[arg-type] # the names are those of the fields


def record(**change: object) -> Claimable:
    return replace(RECORD, **change)  # type: ignore[arg-type] # the names are those of the fields


def test_all_details_as_registered_match() -> None:
    assert matches(TYPED, RECORD, ALL)


@pytest.mark.parametrize("name", ["Żaneta", "żaneta", "ZANETA", " Zaneta ", "Żaneta Maria", "z\u0307aneta"])
def test_the_first_name_or_both_match_whatever_their_case_and_diacritics(name: str) -> None:
    assert matches(typed(given_name=name), RECORD, ALL)


@pytest.mark.parametrize(("name", "is_right"), [("", True), (" ", True), ("\N{GRINNING FACE}", False)])
def test_a_missing_name_is_matched_by_an_empty_field_alone(name: str, is_right: bool) -> None:
    nameless = record(given_name="", middle_name="")

    assert matches(typed(given_name=name), nameless, ALL) is is_right


@pytest.mark.parametrize("name", ["Źdźbło-Ćwik", "zdzblo cwik", "ZDZBLO - CWIK", "Źdźbło–Ćwik", "Źdźbło\u00a0Ćwik"])
def test_a_double_surname_matches_with_any_hyphen_or_blank(name: str) -> None:
    assert matches(typed(surname=name), RECORD, ALL)


@pytest.mark.parametrize(
    "change",
    [
        {"given_name": "Maria"},
        {"given_name": ""},
        {"surname": "Źdźbło"},
        {"surname": "Nowak"},
        {"surname": ""},
        {"born_on": date(1905, 3, 15)},
        {"born_on": None},
        {"pesel_end_mac": "pesel 1358"},
    ],
)
def test_one_wrong_detail_is_enough_to_refuse(change: dict[str, object]) -> None:
    assert not matches(typed(**change), RECORD, ALL)


@pytest.mark.parametrize("name", ["Beek", "van Beek", "VAN BEEK"])
def test_a_prefix_of_the_surname_may_be_left_out(name: str) -> None:
    assert matches(typed(surname=name), record(surname_prefix="van", surname="Beek"), ALL)


def test_a_person_with_one_name_leaves_the_other_field_empty() -> None:
    suharto = record(given_name="", middle_name="", surname="Suharto")

    assert matches(typed(given_name="", surname="Suharto"), suharto, ALL)
    assert not matches(typed(given_name="Ali", surname="Suharto"), suharto, ALL)


def test_the_end_of_a_document_counts_as_well_as_that_of_a_pesel() -> None:
    assert matches(TYPED, record(pesel_end_mac=None, document_end_mac="document 1359"), ALL)


@pytest.mark.parametrize("unknown", [{"born_on": None}, {"pesel_end_mac": None}])
def test_what_the_registry_does_not_know_proves_nothing(unknown: dict[str, object]) -> None:
    assert not matches(typed(**({"born_on": None} if "born_on" in unknown else {})), record(**unknown), ALL)


def test_only_what_the_university_asks_for_has_to_match() -> None:
    wrong = typed(born_on=None, pesel_end_mac="")

    assert matches(wrong, RECORD, [Detail.GIVEN_NAME, Detail.SURNAME])


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-10-01T10:00+00:00", "2026-10-02T12:00+02:00"),
        ("2026-10-01T21:59+00:00", "2026-10-02T12:00+02:00"),
        ("2026-10-01T22:00+00:00", "2026-10-03T12:00+02:00"),
        ("2026-10-24T10:00+00:00", "2026-10-25T12:00+01:00"),
    ],
)
def test_corrected_data_count_on_the_following_day_after_the_noon_sync(now: str, expected: str) -> None:
    retry = earliest_retry(datetime.fromisoformat(now), ZoneInfo("Europe/Warsaw"), sync_hour=12)

    assert retry == datetime.fromisoformat(expected)
