"""Which payment settles which charge."""

import random
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from idp.fees.allocation import Allocation, allocate, settled
from idp.fees.values import Charge, Payment
from tests.unit.fees.factories import charge, payment

START = date(2026, 9, 1)
KINDS = ("fees", "dormitory")


def amounts(allocation: Allocation) -> list[tuple[int, int, int]]:
    return [(part.charge_id, part.payment_id, part.minor) for part in allocation.parts]


def test_a_payment_settles_the_oldest_due_charge_first() -> None:
    charges = [charge(1, 100, "2026-12-01"), charge(2, 100, "2026-10-01")]

    assert amounts(allocate(charges, [payment(1, 100)])) == [(2, 1, 100)]


def test_of_charges_due_on_one_day_the_first_recorded_is_settled_first() -> None:
    charges = [charge(2, 100), charge(1, 100)]

    assert amounts(allocate(charges, [payment(1, 100)])) == [(1, 1, 100)]


def test_what_is_over_goes_to_the_next_charge_and_then_waits() -> None:
    charges = [charge(1, 100, "2026-10-01"), charge(2, 100, "2026-11-01")]

    found = allocate(charges, [payment(1, 250)])

    assert amounts(found) == [(1, 1, 100), (2, 1, 100)]
    assert found.left == {1: 50}


def test_payments_are_used_in_the_order_of_their_credit_dates() -> None:
    payments = [payment(1, 60, "2026-10-09"), payment(2, 60, "2026-10-02")]

    assert amounts(allocate([charge(1, 100)], payments)) == [(1, 2, 60), (1, 1, 40)]


def test_money_for_one_kind_of_account_never_settles_a_charge_of_another() -> None:
    found = allocate([charge(1, 100, kind="dormitory")], [payment(1, 100, kind="fees")])

    assert found.parts == ()
    assert found.left == {1: 100}


minors = st.integers(1, 500)
days = st.integers(0, 60).map(lambda number: (START + timedelta(days=number)).isoformat())
entries = st.lists(st.tuples(minors, days, st.sampled_from(KINDS)), max_size=12)


def ledger(owed: list[tuple[int, str, str]], paid: list[tuple[int, str, str]]) -> tuple[list[Charge], list[Payment]]:
    charges = [charge(place, *entry) for place, entry in enumerate(owed, 1)]
    return charges, [payment(place, *entry) for place, entry in enumerate(paid, 1)]


@given(entries, entries)
def test_every_grosz_is_either_on_a_charge_or_waiting(
    owed: list[tuple[int, str, str]], paid: list[tuple[int, str, str]]
) -> None:
    charges, payments = ledger(owed, paid)

    found = allocate(charges, payments)

    for one in payments:
        used = sum(part.minor for part in found.parts if part.payment_id == one.payment_id)
        assert used + found.left.get(one.payment_id, 0) == one.amount.minor
    for due in charges:
        assert 0 <= settled(found.of_charge(due.charge_id)) <= due.amount.minor
    assert all(part.minor > 0 for part in found.parts)
    assert all(minor > 0 for minor in found.left.values())


@given(entries, entries)
def test_no_later_charge_has_money_while_an_older_one_of_its_kind_lacks_some(
    owed: list[tuple[int, str, str]], paid: list[tuple[int, str, str]]
) -> None:
    charges, payments = ledger(owed, paid)
    found = allocate(charges, payments)

    for kind in KINDS:
        same = sorted((one for one in charges if one.kind == kind), key=lambda one: (one.due_on, one.charge_id))
        full = [settled(found.of_charge(one.charge_id)) == one.amount.minor for one in same]
        touched = [settled(found.of_charge(one.charge_id)) > 0 for one in same]
        assert all(full[: max((place for place, is_touched in enumerate(touched) if is_touched), default=0)])


@given(entries, entries, st.randoms(use_true_random=False))
def test_the_order_of_the_arguments_means_nothing(
    owed: list[tuple[int, str, str]], paid: list[tuple[int, str, str]], chance: random.Random
) -> None:
    charges, payments = ledger(owed, paid)
    expected = allocate(charges, payments)
    chance.shuffle(charges)
    chance.shuffle(payments)

    assert allocate(charges, payments) == expected
