"""What is known of students: newest rows win, contradictions are for a human."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.fees.student_records import StudentRecord, merged, records_of
from idp.fees.students_file import RawRow, Row, parse_row
from tests.support.fees import student_row

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)


def row(hours_ago: int = 10, **cells: str) -> Row:
    changed = (NOW - timedelta(hours=hours_ago)).isoformat()
    return parse_row(RawRow(2, {"prefiks_nazwiska": ""} | student_row(zmieniono=changed, **cells)), NOW)


def only(*rows: Row) -> StudentRecord:
    (record,), bad = records_of(rows, {})
    assert bad == []
    return record


def test_several_rows_of_one_person_are_one_student_with_several_programmes() -> None:
    found = only(row(prog_kod="INF-S1"), row(prog_kod="MAT-S1", status="cancelled"))

    assert set(found.programmes) == {"INF-S1", "MAT-S1"}


def test_the_newest_row_tells_the_name_and_the_state_of_its_programme() -> None:
    found = only(row(hours_ago=1, nazwisko="Nowak", status="leave"), row(hours_ago=9, nazwisko="Kowalska"))

    assert found.surname == "Nowak"
    assert found.programmes["INF-S1"].programme.status == "leave"


def test_an_album_that_only_one_of_the_rows_names_is_taken() -> None:
    assert only(row(hours_ago=1, nr_albumu="", prog_kod="A"), row(nr_albumu="7", prog_kod="B")).album == "7"


@pytest.mark.parametrize(
    ("rows", "owners", "reason"),
    [
        ([row(nr_albumu="1"), row(nr_albumu="2", prog_kod="B")], {}, "one person with two albums"),
        ([row(os_id="1"), row(os_id="2")], {}, "two people with one album"),
        ([row(nr_albumu="0012345")], {"12345": "9"}, "belongs to somebody else"),
    ],
)
def test_contradicting_albums_make_all_rows_concerned_bad(rows: list[Row], owners: dict[str, str], reason: str) -> None:
    records, bad = records_of(rows, owners)

    assert records == []
    assert len(bad) == len(rows)
    assert all(reason in one.reason for one in bad)


@pytest.mark.parametrize(("owners", "keeps"), [({}, "9"), ({"7": "10"}, "10")])
def test_of_two_albums_that_differ_by_zeros_the_owners_or_the_first_registered_ones_is_kept(
    owners: dict[str, str], keeps: str
) -> None:
    records, bad = records_of([row(os_id="10", nr_albumu="7"), row(os_id="9", nr_albumu="007")], owners)

    assert [record.os_id for record in records] == [keeps]
    assert ["belongs to somebody else" in one.reason for one in bad] == [True]


def test_albums_that_differ_by_leading_zeros_only_are_one_album() -> None:
    assert only(row(nr_albumu="007"), row(nr_albumu="7", prog_kod="B")).album in ("007", "7")


def test_programmes_that_a_file_does_not_name_stay() -> None:
    stored = only(row(hours_ago=20, prog_kod="A"))

    after = merged(stored, only(row(prog_kod="B", nazwisko="Nowak")))

    assert set(after.programmes) == {"A", "B"}
    assert after.surname == "Nowak"


def test_an_older_row_of_another_programme_does_not_bring_an_old_name_back() -> None:
    stored = only(row(hours_ago=1, nazwisko="Nowak", prog_kod="A"))

    after = merged(stored, only(row(hours_ago=20, nazwisko="Kowalska", prog_kod="B")))

    assert after.surname == "Nowak"
    assert set(after.programmes) == {"A", "B"}


def test_an_album_once_known_is_not_forgotten() -> None:
    stored = only(row(hours_ago=20, nr_albumu="7"))

    assert merged(stored, only(row(hours_ago=1, nr_albumu=""))).album == "7"


cells = st.fixed_dictionaries(
    {
        "os_id": st.sampled_from(["1", "2", "3"]),
        "nazwisko": st.sampled_from(["Nowak", "Kowal"]),
        "prog_kod": st.sampled_from(["A", "B"]),
        "status": st.sampled_from(["active", "leave"]),
    }
)
some_rows = st.lists(st.tuples(st.integers(0, 3), cells), min_size=1, max_size=8).map(
    lambda drawn: [row(hours, nr_albumu=one["os_id"], **one) for hours, one in drawn]
)


@given(some_rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(rows: list[Row], chance: random.Random) -> None:
    before, _ = records_of(rows, {})
    chance.shuffle(rows)
    after, _ = records_of(rows, {})

    assert {one.os_id: one for one in before} == {one.os_id: one for one in after}


@given(some_rows)
def test_the_same_rows_twice_change_nothing(rows: list[Row]) -> None:
    for record in records_of(rows, {})[0]:
        assert merged(record, record) == record
