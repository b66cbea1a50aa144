"""Samples are what they say: so many people who are taken, and labelled rows that are not."""

import csv
import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import chain

import pytest

from idp.people.status import AccessPolicy
from idp.people.values import Status
from idp.registry.decisions import Candidate, Context, decide
from idp.registry.rows import AT, COLUMNS, Rules
from idp.registry.sample.export import DAY, Order, write_sample
from tests.support.counts import Counts


def rows_of(order: Order) -> list[list[str]]:
    out = io.StringIO(newline="")
    write_sample(order, out)
    return list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=";"))[1:]


def people_of(order: Order) -> dict[str, list[list[str]]]:
    people: dict[str, list[list[str]]] = defaultdict(list)
    for row in rows_of(order):
        people[row[0]].append(row)
    return people


def as_text(row: list[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", lineterminator="\n").writerow(row)
    return out.getvalue()


@pytest.mark.parametrize("as_of", [DAY, date(2028, 2, 29), date(2027, 6, 15)])
@pytest.mark.parametrize("day", [1, 2])
def test_everybody_in_a_clean_sample_is_taken_whatever_the_seed(as_of: date, day: int, counts: Counts) -> None:
    now = datetime.combine(as_of + timedelta(days=day), datetime.min.time(), UTC)
    rules = Rules(now.date(), now, lambda purpose, text: f"{purpose} {text}")
    context = Context(rules, AccessPolicy(), str)
    for seed in range(counts.seed, counts.seed + 5):
        people = people_of(Order(150, seed, as_of, dirty=False, day=day))
        assert len(people) == 150
        for os_id, rows in people.items():
            lines = tuple(enumerate((as_text(row) for row in rows), start=2))
            decision = decide(Candidate(os_id=os_id, rows=lines, digest=1, stored=None), context)
            assert [row.reason for row in decision.quarantined] == []
            assert decision.add is not None


def test_a_sample_has_every_status_every_level_and_several_programmes() -> None:
    people = people_of(Order(300, 1, dirty=False))
    rows = list(chain.from_iterable(people.values()))

    assert {row[AT["status"]] for row in rows} == set(Status)
    assert {row[AT["poziom"]] for row in rows} == {"1", "2", "JM", "3", "PD"}
    assert max(len(mine) for mine in people.values()) > 1
    assert any(row[AT["pesel"]] == "" and row[AT["dok_numer"]] for row in rows)
    assert any(not row[AT["nazwisko"]].isascii() for row in rows)


def test_no_living_person_owns_a_number_of_a_sample() -> None:
    rows = rows_of(Order(300, 1, dirty=False))

    assert {row[AT["data_ur"]][:4] for row in rows} <= {str(year) for year in range(1900, 1908)}
    assert all(row[AT["pesel"]][:2] in {f"0{year}" for year in range(8)} for row in rows if row[AT["pesel"]])


def test_no_two_people_share_a_pesel_or_an_album() -> None:
    people = people_of(Order(2000, 1, dirty=False))

    for column in ("pesel", "nr_albumu"):
        values = [mine[0][AT[column]] for mine in people.values() if mine[0][AT[column]]]
        assert len(values) == len(set(values))


def test_rows_of_one_person_stand_apart() -> None:
    places = defaultdict(list)
    for place, row in enumerate(rows_of(Order(300, 1))):
        places[row[0]].append(place)

    assert max(max(mine) - min(mine) for mine in places.values()) > 50


def test_a_small_sample_has_few_refused_rows_and_a_large_one_all() -> None:
    few, all_of_them = (
        [label for label in write_sample(Order(people, 1), io.StringIO()) if label.outcome == "quarantined"]
        for people in (40, 300)
    )

    assert 0 < len(few) <= 5
    assert len(all_of_them) > 30


def test_the_changes_of_the_second_day_are_a_part_of_its_export() -> None:
    full, part = (
        {tuple(row) for row in rows_of(Order(300, 1, dirty=False, day=2, only_changes=only))} for only in (False, True)
    )

    assert part < full


def test_nobody_at_all_is_a_header() -> None:
    out = io.StringIO()

    assert write_sample(Order(0, 1), out) == []
    assert out.getvalue() == ";".join(COLUMNS) + "\n"
