"""Record payments: all of a list, or none of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import itemgetter

from sqlalchemy import Connection

from idp.clock import Clock
from idp.errors import Conflict, IdpError, InvalidInput, NotFound
from idp.fees.account_numbers import Nrb, grouped
from idp.fees.database import Database
from idp.fees.days import today
from idp.fees.journal import PAYMENT_RECORDED, Event, record
from idp.fees.ledger import accounts_by_number, add_payments, payments_by_reference
from idp.fees.lists import MAX_REFERENCE, Recorded, refuse_list
from idp.fees.money import Money
from idp.fees.texts import clean
from idp.fees.values import Account, Payment


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A credit as the bank tells. `reference` names it for good: the same one again is the same payment."""

    nrb: Nrb
    minor: int
    ordered_on: date | None
    credited_on: date
    reference: str


def record_payments(
    database: Database, time_zone: str, clock: Clock, wanted: Sequence[NewPayment], actor: str
) -> Recorded:
    """Return how many payments were added and how many were there already.

    Raises:  the mistake itself for a list of one; InvalidInput with all mistakes for a longer one, and nothing is added
    Effect:  rows and their events in one transaction; a repeat adds nothing
    """
    with database.write_alone() as connection:
        fresh, mistakes = _sift(connection, wanted, today(clock, time_zone))
        refuse_list(mistakes, len(wanted))
        add_payments(connection, fresh, clock.now())
        record(connection, clock.now(), *(_event(payment, actor) for payment in fresh))
    return Recorded(added=len(fresh), known=len(wanted) - len(fresh))


def _sift(
    connection: Connection, wanted: Sequence[NewPayment], day: date
) -> tuple[list[Payment], list[tuple[int, IdpError]]]:
    """Return the payments to add, and what is wrong at which place of the list."""
    accounts = accounts_by_number(connection, (new.nrb for new in wanted))
    payments: dict[int, Payment] = {}
    mistakes: list[tuple[int, IdpError]] = []
    for place, new in enumerate(wanted):
        try:
            payments[place] = _payment(new, accounts, day)
        except IdpError as mistake:
            mistakes.append((place, mistake))
    # By the reference as it is stored: a list may spell it with other blanks.
    known = payments_by_reference(connection, (payment.reference for payment in payments.values()))
    fresh: list[Payment] = []
    for place, payment in payments.items():
        if (before := known.get(payment.reference)) is None:
            known[payment.reference] = payment
            fresh.append(payment)
        elif replace(before, payment_id=0) != payment:
            mistakes.append((place, Conflict(f"The reference {payment.reference!r} is a different payment already.")))
    return fresh, sorted(mistakes, key=itemgetter(0))


def _payment(new: NewPayment, accounts: Mapping[Nrb, Account], day: date) -> Payment:
    account = accounts.get(new.nrb)
    if account is None:
        raise NotFound(f"The account number {grouped(new.nrb)} is not one of ours.")
    if new.credited_on > day:
        raise InvalidInput(f"Credited on {new.credited_on}: that day is still to come.")
    if new.ordered_on is not None and new.ordered_on > new.credited_on:
        raise InvalidInput(f"Ordered on {new.ordered_on}, after it was credited on {new.credited_on}.")
    reference = clean(new.reference)
    if not 0 < len(reference) <= MAX_REFERENCE:
        raise InvalidInput("A reference has 1 to 64 characters.")
    amount = Money(new.minor, account.currency)
    return Payment(0, account.student_id, account.nrb, account.kind, amount, new.ordered_on, new.credited_on, reference)


def _event(payment: Payment, actor: str) -> Event:
    data = {
        "reference": payment.reference,
        "amount": str(payment.amount),
        "ordered_on": payment.ordered_on.isoformat() if payment.ordered_on else "",
        "credited_on": payment.credited_on.isoformat(),
    }
    return Event(PAYMENT_RECORDED, actor, payment.nrb, data)
