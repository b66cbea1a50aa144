"""What a student's page shows: each charge with its state, each payment with what it settled."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from idp.fees.allocation import Allocation, allocate
from idp.fees.due import Condition, State, state_of
from idp.fees.ledger import Ledger
from idp.fees.money import Money
from idp.fees.values import Account, Charge, Payment

OPEN = (Condition.OVERDUE, Condition.DUE)


@dataclass(frozen=True, slots=True)
class Receivable:
    """A charge as it stands today."""

    charge: Charge
    state: State

    @property
    def left(self) -> Money:
        """What is still to be paid."""
        return Money(self.charge.amount.minor - self.state.paid_minor, self.charge.amount.currency)

    @property
    def paid(self) -> Money:
        """What has been paid so far."""
        return Money(self.state.paid_minor, self.charge.amount.currency)

    @property
    def is_open(self) -> bool:
        return self.state.condition in OPEN


@dataclass(frozen=True, slots=True)
class Credit:
    """A payment, the charges that it went to, and what of it is left for the next charge."""

    payment: Payment
    settled: tuple[tuple[Charge, Money], ...]
    left: Money


@dataclass(frozen=True, slots=True)
class Overview:
    """One student's fees on one day. Open charges come first, the oldest on top; then the others, newest on top."""

    receivables: tuple[Receivable, ...]
    credits: tuple[Credit, ...]  # newest first
    accounts: tuple[Account, ...]  # those to pay to
    to_pay: Mapping[str, Money]  # by currency
    overdue: Mapping[str, Money]  # by currency, contained in `to_pay`


def overview_of(ledger: Ledger, today: date) -> Overview:
    """Return what the page of one student shows on `today`."""
    allocation = allocate(ledger.charges, ledger.payments)
    receivables = [
        Receivable(charge, state_of(charge, allocation.of_charge(charge.charge_id), today)) for charge in ledger.charges
    ]
    is_open = sorted((one for one in receivables if one.is_open), key=_age)
    closed = sorted((one for one in receivables if not one.is_open), key=_age, reverse=True)
    overdue = [one for one in is_open if one.state.condition is Condition.OVERDUE]
    return Overview(
        receivables=(*is_open, *closed),
        credits=_credits(ledger, allocation),
        accounts=tuple(account for account in ledger.accounts if account.valid_to is None),
        to_pay=_sums(is_open),
        overdue=_sums(overdue),
    )


def _age(receivable: Receivable) -> tuple[date, int]:
    return (receivable.charge.due_on, receivable.charge.charge_id)


def _credits(ledger: Ledger, allocation: Allocation) -> tuple[Credit, ...]:
    charges = {charge.charge_id: charge for charge in ledger.charges}
    settled: dict[int, list[tuple[Charge, Money]]] = defaultdict(list)
    for part in allocation.parts:
        charge = charges[part.charge_id]
        settled[part.payment_id].append((charge, Money(part.minor, charge.amount.currency)))
    newest_first = sorted(ledger.payments, key=lambda payment: (payment.credited_on, payment.payment_id), reverse=True)
    return tuple(
        Credit(
            payment,
            tuple(settled[payment.payment_id]),
            Money(allocation.left.get(payment.payment_id, 0), payment.amount.currency),
        )
        for payment in newest_first
    )


def _sums(receivables: list[Receivable]) -> dict[str, Money]:
    sums: dict[str, int] = defaultdict(int)
    for receivable in receivables:
        sums[receivable.left.currency] += receivable.left.minor
    return {currency: Money(minor, currency) for currency, minor in sorted(sums.items())}
