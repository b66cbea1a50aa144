"""Where a charge becomes overdue."""

import pytest

from idp.fees.allocation import allocate
from idp.fees.due import Condition, State, payable_until, state_of
from idp.fees.values import Charge, Payment
from tests.unit.fees.factories import charge, day, payment


def state(one: Charge, payments: list[Payment], today: str) -> State:
    return state_of(one, allocate([one], payments).of_charge(one.charge_id), day(today))


@pytest.mark.parametrize(
    ("today", "condition", "days"),
    [
        ("2026-10-01", Condition.DUE, 14),
        ("2026-10-15", Condition.DUE, 0),
        ("2026-10-16", Condition.OVERDUE, 1),
        ("2026-11-15", Condition.OVERDUE, 31),
    ],
)
def test_an_unpaid_charge_is_overdue_from_the_day_after_its_last_day(
    today: str, condition: Condition, days: int
) -> None:
    found = state(charge(due="2026-10-15"), [], today)

    assert (found.condition, found.days) == (condition, days)


@pytest.mark.parametrize(
    ("credited", "condition", "days"),
    [
        ("2026-09-01", Condition.PAID, 0),
        ("2026-10-15", Condition.PAID, 0),
        ("2026-10-16", Condition.PAID_LATE, 1),
        ("2026-10-20", Condition.PAID_LATE, 5),
    ],
)
def test_the_day_of_crediting_decides_whether_a_payment_was_late(
    credited: str, condition: Condition, days: int
) -> None:
    found = state(charge(due="2026-10-15"), [payment(credited=credited)], "2026-12-01")

    assert (found.condition, found.days, found.settled_on) == (condition, days, day(credited))


def test_the_order_date_never_decides() -> None:
    late = payment(credited="2026-10-16")
    ordered_in_time = Payment(
        late.payment_id, 1, late.nrb, late.kind, late.amount, day("2026-10-10"), late.credited_on, late.reference
    )

    assert state(charge(), [ordered_in_time], "2026-12-01").condition is Condition.PAID_LATE


@pytest.mark.parametrize(
    ("due", "until"),
    [
        ("2026-10-15", "2026-10-15"),  # a Thursday
        ("2026-10-17", "2026-10-19"),  # Saturday
        ("2026-10-18", "2026-10-19"),  # Sunday
        ("2026-11-11", "2026-11-12"),  # Independence Day
        ("2026-12-24", "2026-12-28"),  # Christmas Eve is free since 2025; then Christmas, then a weekend
        ("2027-05-01", "2027-05-04"),  # Saturday, Sunday, and 3 May
        ("2024-12-24", "2024-12-24"),  # a working day then
    ],
)
def test_a_due_date_on_a_day_off_moves_to_the_next_working_day(due: str, until: str) -> None:
    assert payable_until(day(due)) == day(until)


def test_days_late_are_counted_from_the_moved_date() -> None:
    saturday = charge(due="2026-10-17")

    assert state(saturday, [payment(credited="2026-10-19")], "2026-12-01").condition is Condition.PAID
    assert state(saturday, [payment(credited="2026-10-20")], "2026-12-01").days == 1
    assert state(saturday, [], "2026-10-20").days == 1


def test_a_charge_paid_in_part_is_not_paid() -> None:
    found = state(charge(minor=10_000), [payment(minor=9_999)], "2026-10-16")

    assert (found.condition, found.paid_minor) == (Condition.OVERDUE, 9_999)


def test_a_charge_paid_in_parts_is_settled_by_the_last_of_them() -> None:
    parts = [payment(1, 4_000, "2026-10-10"), payment(2, 6_000, "2026-10-19")]

    found = state(charge(minor=10_000, due="2026-10-15"), parts, "2026-12-01")

    assert (found.condition, found.days, found.settled_on) == (Condition.PAID_LATE, 4, day("2026-10-19"))
