"""What a student's page shows."""

from idp.fees.ledger import Ledger
from idp.fees.money import Money
from idp.fees.overview import overview_of
from tests.unit.fees.factories import account, charge, day, payment


def test_open_charges_come_first_and_the_oldest_on_top() -> None:
    charges = (
        charge(1, 100, "2026-09-01"),
        charge(2, 100, "2026-10-20"),
        charge(3, 100, "2026-10-01"),
        charge(4, 100, "2026-08-03"),
    )
    payments = (payment(1, 200, "2026-09-02"),)

    found = overview_of(Ledger((), charges, payments), day("2026-10-10"))

    assert [one.charge.charge_id for one in found.receivables] == [3, 2, 1, 4]
    assert [one.state.condition for one in found.receivables] == ["overdue", "due", "paid_late", "paid_late"]


def test_the_sum_to_pay_counts_what_is_left_and_says_what_is_overdue() -> None:
    charges = (charge(1, 100, "2026-10-01"), charge(2, 100, "2026-10-20"))

    found = overview_of(Ledger((), charges, (payment(1, 30, "2026-10-01"),)), day("2026-10-10"))

    assert found.to_pay == {"PLN": Money(170, "PLN")}
    assert found.overdue == {"PLN": Money(70, "PLN")}


def test_a_credit_tells_what_it_settled_and_what_is_left_of_it() -> None:
    charges = (charge(1, 100),)

    found = overview_of(Ledger((), charges, (payment(1, 130),)), day("2026-10-10"))

    (credit,) = found.credits
    assert credit.settled == ((charges[0], Money(100, "PLN")),)
    assert credit.left == Money(30, "PLN")


def test_only_the_number_that_is_valid_now_is_shown() -> None:
    old, new = account(valid_to="2026-09-30"), account()

    assert overview_of(Ledger((old, new), (), ()), day("2026-10-10")).accounts == (new,)
