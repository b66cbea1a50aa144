"""The demonstration's data show every state, whatever day it is."""

from datetime import date, timedelta

import pytest

from idp.fees.account_numbers import make_nrb
from idp.fees.demo import Payer, invented
from idp.fees.due import Condition
from idp.fees.ledger import Ledger
from idp.fees.money import Money
from idp.fees.overview import overview_of
from idp.fees.values import Charge, Payment

PAYERS = [
    Payer(str(number), str(10_000 + number), "fees", make_nrb("99900009", "7777", number), number % 2 == 0)
    for number in range(1, 9)
]
DAYS = [date(2026, 1, 1) + timedelta(days=11 * step) for step in range(50)]


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_each_student_sees_paid_paid_late_overdue_and_due(today: date) -> None:
    charges, payments = invented(PAYERS, seed=1, today=today)

    for payer in PAYERS:
        ledger = Ledger(
            (),
            tuple(
                Charge(place, 1, new.kind, new.title, new.title_en, Money(new.minor, "PLN"), new.due_on, new.reference)
                for place, new in enumerate(charges)
                if new.album == payer.album
            ),
            tuple(
                Payment(
                    place,
                    1,
                    new.nrb,
                    "fees",
                    Money(new.minor, "PLN"),
                    new.ordered_on,
                    new.credited_on,
                    new.reference,
                )
                for place, new in enumerate(payments)
                if new.nrb == payer.nrb
            ),
        )
        states = {one.state.condition for one in overview_of(ledger, today).receivables}
        assert states == set(Condition)


def test_the_same_seed_invents_the_same() -> None:
    assert invented(PAYERS, 7, DAYS[0]) == invented(PAYERS, 7, DAYS[0])
    assert invented(PAYERS, 7, DAYS[0]) != invented(PAYERS, 8, DAYS[0])


def test_nothing_was_ordered_after_it_was_credited_or_credited_in_the_future() -> None:
    for today in DAYS:
        _, payments = invented(PAYERS, 1, today)
        assert all(one.ordered_on and one.ordered_on < one.credited_on <= today for one in payments)
