from collections import Counter

import pytest

from idp.registry.guards import most_bad_rows, parts, strangers, too_many_bad_rows
from idp.registry.reasons import Refusal
from idp.registry.settings import RegistrySettings

SETTINGS = RegistrySettings(
    bad_rows_share=0.1,
    bad_rows_floor=20,
    fewer_people_share=0.05,
    fewer_people_floor=5,
    identity_changes_share=0.05,
    identity_changes_floor=20,
    fill_drop_share=0.2,
)


@pytest.mark.parametrize(("rows", "most"), [(1, 20), (200, 20), (300, 30), (1_000_000, 100_000)])
def test_the_share_of_bad_rows_counts_only_above_its_floor(rows: int, most: int) -> None:
    assert most_bad_rows(SETTINGS, rows) == most


def test_a_refusal_names_the_worst_reasons() -> None:
    refusal = too_many_bad_rows(Counter(pesel_form=9, columns=2), 50)

    assert refusal.reason == "too_many_bad_rows"
    assert "11 of 50" in str(refusal)
    assert "9 pesel_form" in str(refusal)


@pytest.mark.parametrize(
    ("before", "people", "refused"),
    [(1000, 950, False), (1000, 949, True), (10, 5, False), (10, 4, True), (10, 900, False)],
)
def test_a_full_file_with_fewer_people_is_a_part(before: int, people: int, refused: bool) -> None:
    found = [refusal.reason for refusal in parts(SETTINGS, people, people, {}, before, {})]

    assert found == ([Refusal.FEWER_PEOPLE] if refused else [])


@pytest.mark.parametrize(
    ("share", "rows", "refused"), [(0.75, 100, False), (0.74, 100, True), (0.0, 99, False), (1.0, 100, False)]
)
def test_a_column_that_empties_refuses_the_file(share: float, rows: int, refused: bool) -> None:
    found = [refusal.reason for refusal in parts(SETTINGS, 10, rows, {"pesel": share}, 10, {"pesel": 0.95})]

    assert found == ([Refusal.COLUMN_EMPTIED] if refused else [])


@pytest.mark.parametrize(
    ("changed", "known", "refused"), [(20, 30, False), (21, 30, True), (50, 1000, False), (51, 1000, True)]
)
def test_a_file_that_makes_strangers_of_many_is_refused(changed: int, known: int, refused: bool) -> None:
    assert bool(list(strangers(SETTINGS, changed, known))) == refused
