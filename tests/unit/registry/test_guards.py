from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from idp.errors import RefusedSource
from idp.registry.guards import (
    emptied_columns,
    identity_changes,
    mass_changes,
    missing_people,
    most_bad_rows,
    too_many_bad_rows,
    too_old,
)
from idp.registry.reasons import Refusal
from idp.registry.results import Counts
from idp.registry.settings import RegistrySettings

SETTINGS = RegistrySettings(
    bad_rows_share=0.1,
    bad_rows_floor=20,
    fewer_people_share=0.05,
    fewer_people_floor=5,
    identity_changes_share=0.05,
    identity_changes_floor=20,
    fill_drop_share=0.2,
    column_changes_share=0.5,
    column_changes_floor=100,
    access_losses_share=0.1,
    access_losses_floor=50,
    student_losses_share=0.05,
    student_losses_floor=20,
    newest_row_days=60,
    older_than_last_days=30,
)
NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)


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
    found = [refusal.reason for refusal in missing_people(SETTINGS, people, before)]

    assert found == ([Refusal.FEWER_PEOPLE] if refused else [])


@pytest.mark.parametrize(
    ("share", "rows", "refused"), [(0.75, 100, False), (0.74, 100, True), (0.0, 99, False), (1.0, 100, False)]
)
def test_a_column_that_empties_refuses_the_file(share: float, rows: int, refused: bool) -> None:
    found = [refusal.reason for refusal in emptied_columns(SETTINGS, rows, {"pesel": share}, {"pesel": 0.95})]

    assert found == ([Refusal.COLUMN_EMPTIED] if refused else [])


@pytest.mark.parametrize(
    ("changed", "known", "refused"), [(20, 30, False), (21, 30, True), (50, 1000, False), (51, 1000, True)]
)
def test_a_file_that_makes_strangers_of_many_is_refused(changed: int, known: int, refused: bool) -> None:
    assert bool(list(identity_changes(SETTINGS, changed, known))) == refused


@pytest.mark.parametrize(
    ("days_ago", "days_before", "refused"),
    [(60, 60, False), (61, 61, True), (31, 1, False), (32, 1, True), (400, None, False), (None, 0, False)],
)
def test_a_file_whose_newest_row_is_old_or_older_than_what_was_taken_is_refused(
    days_ago: int | None, days_before: int | None, refused: bool
) -> None:
    newest, before = (None if days is None else NOW - timedelta(days=days) for days in (days_ago, days_before))

    assert bool(list(too_old(SETTINGS, newest, before, NOW))) == refused


@pytest.mark.parametrize(("lost", "known", "refused"), [(50, 60, False), (51, 60, True), (600, 6000, False)])
def test_a_file_that_takes_access_from_many_is_refused(lost: int, known: int, refused: bool) -> None:
    found = [refusal.reason for refusal in mass_changes(SETTINGS, Counts(access_lost=lost), known)]

    assert found == ([Refusal.TOO_MANY_STATUS_CHANGES] if refused else [])


@pytest.mark.parametrize(
    ("field", "count", "known", "reason"),
    [
        ("private_mail", 100, 110, None),
        ("private_mail", 101, 110, Refusal.TOO_MANY_CHANGES),
        ("status", 3001, 6000, Refusal.TOO_MANY_STATUS_CHANGES),
        ("status", 3000, 6000, None),
    ],
)
def test_a_file_that_changes_one_column_of_most_people_is_refused(
    field: str, count: int, known: int, reason: Refusal | None
) -> None:
    found = [refusal.reason for refusal in mass_changes(SETTINGS, Counts(fields=Counter({field: count})), known)]

    assert found == ([] if reason is None else [reason])


@pytest.mark.parametrize(
    ("refusal", "limit"),
    [
        (missing_people(SETTINGS, 900, 1000), "At most 50 fewer are believed (registry.fewer_people_share)"),
        (identity_changes(SETTINGS, 60, 1000), "at most 50 are believed (registry.identity_changes_share)"),
        (
            mass_changes(SETTINGS, Counts(access_lost=101), 1000),
            "at most 100 are believed (registry.access_losses_share)",
        ),
        (
            mass_changes(SETTINGS, Counts(fields=Counter(status=501)), 1000),
            "at most 500 are believed (registry.column_changes_share)",
        ),
        (emptied_columns(SETTINGS, 100, {}, {"pesel": 0.9}), "a drop of 20% is believed (registry.fill_drop_share)"),
        (too_old(SETTINGS, NOW - timedelta(days=61), NOW, NOW), "more than 60 days ago (registry.newest_row_days)"),
        (iter([too_many_bad_rows(Counter(columns=9), 50)]), "more than registry.bad_rows_share"),
    ],
)
def test_a_refusal_by_a_limit_names_the_limit_and_how_it_is_accepted(
    refusal: Iterator[RefusedSource], limit: str
) -> None:
    found = next(refusal)

    assert limit in str(found)
    assert f"idp registry import FILE --accept {found.reason}" in str(found)


@pytest.mark.parametrize(
    ("lost", "known", "is_refused"), [(20, 50, False), (21, 50, True), (100, 2000, False), (190, 2000, True)]
)
def test_the_loss_of_student_rights_has_a_limit_of_its_own(lost: int, known: int, is_refused: bool) -> None:
    found = [refusal.reason for refusal in mass_changes(SETTINGS, Counts(student_rights_lost=lost), known)]

    assert found == ([Refusal.TOO_MANY_STUDENT_LOSSES] if is_refused else [])
