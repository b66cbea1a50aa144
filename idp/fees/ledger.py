"""Read and add charges, payments and accounts. Nothing here changes or removes a row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from idp.fees import tables
from idp.fees.account_numbers import Nrb
from idp.fees.money import Money
from idp.fees.values import Account, Charge, Payment

MAX_IN_LIST = 5_000


@dataclass(frozen=True, slots=True)
class Ledger:
    """One student's accounts, charges and payments."""

    accounts: tuple[Account, ...]
    charges: tuple[Charge, ...]
    payments: tuple[Payment, ...]


def load_ledger(connection: Connection, student_id: int) -> Ledger:
    """Return everything of one student, and nothing of anybody else."""
    return Ledger(
        tuple(_accounts(connection, tables.account.c.student_id == student_id)),
        tuple(_charges(connection, tables.charge.c.student_id == student_id)),
        tuple(_payments(connection, tables.account.c.student_id == student_id)),
    )


def load_ledgers(connection: Connection) -> dict[int, Ledger]:
    """Return everybody's ledger by student_id; for lists and reports of the whole university."""
    found: dict[int, tuple[list[Account], list[Charge], list[Payment]]] = {
        student_id: ([], [], []) for student_id in connection.scalars(select(tables.student.c.student_id))
    }
    for account in _accounts(connection):
        found[account.student_id][0].append(account)
    for charge in _charges(connection):
        found[charge.student_id][1].append(charge)
    for payment in _payments(connection):
        found[payment.student_id][2].append(payment)
    return {student_id: Ledger(tuple(a), tuple(c), tuple(p)) for student_id, (a, c, p) in found.items()}


def find_account(connection: Connection, nrb: Nrb) -> Account | None:
    """Return the account, open or closed: an old number keeps crediting its owner."""
    return next(_accounts(connection, tables.account.c.nrb == nrb), None)


def accounts_by_number(connection: Connection, numbers: Iterable[Nrb]) -> dict[Nrb, Account]:
    """Return those of `numbers` that are ours."""
    found = (
        account for some in _in_lists(set(numbers)) for account in _accounts(connection, tables.account.c.nrb.in_(some))
    )
    return {account.nrb: account for account in found}


def charges_by_reference(connection: Connection, references: Iterable[str]) -> dict[str, Charge]:
    """Return the charges that bear one of `references`."""
    found = (
        charge
        for some in _in_lists(set(references))
        for charge in _charges(connection, tables.charge.c.reference.in_(some))
    )
    return {charge.reference: charge for charge in found}


def payments_by_reference(connection: Connection, references: Iterable[str]) -> dict[str, Payment]:
    """Return the payments that bear one of `references`."""
    found = (
        payment
        for some in _in_lists(set(references))
        for payment in _payments(connection, tables.payment.c.reference.in_(some))
    )
    return {payment.reference: payment for payment in found}


def add_charges(connection: Connection, charges: Sequence[Charge], at: datetime) -> None:
    """Add charges; the database gives them their ids."""
    rows = [
        {
            "student_id": charge.student_id,
            "kind": charge.kind,
            "title": charge.title,
            "title_en": charge.title_en,
            "minor": charge.amount.minor,
            "currency": charge.amount.currency,
            "due_on": charge.due_on,
            "reference": charge.reference,
            "recorded_at": at,
        }
        for charge in charges
    ]
    if rows:
        connection.execute(insert(tables.charge), rows)


def add_payments(connection: Connection, payments: Sequence[Payment], at: datetime) -> None:
    """Add payments; the database gives them their ids."""
    rows = [
        {
            "nrb": payment.nrb,
            "minor": payment.amount.minor,
            "currency": payment.amount.currency,
            "ordered_on": payment.ordered_on,
            "credited_on": payment.credited_on,
            "reference": payment.reference,
            "recorded_at": at,
        }
        for payment in payments
    ]
    if rows:
        connection.execute(insert(tables.payment), rows)


def _accounts(connection: Connection, *where: Any) -> Iterator[Account]:
    query = select(tables.account).where(*where).order_by(tables.account.c.kind, tables.account.c.valid_from)
    for row in connection.execute(query):
        yield Account(Nrb(row.nrb), row.student_id, row.kind, row.currency, row.valid_from, row.valid_to)


def _charges(connection: Connection, *where: Any) -> Iterator[Charge]:
    query = select(tables.charge).where(*where).order_by(tables.charge.c.due_on, tables.charge.c.charge_id)
    for row in connection.execute(query):
        yield Charge(
            row.charge_id,
            row.student_id,
            row.kind,
            row.title,
            row.title_en,
            Money(row.minor, row.currency),
            row.due_on,
            row.reference,
        )


def _payments(connection: Connection, *where: Any) -> Iterator[Payment]:
    payment, account = tables.payment, tables.account
    query: Select[Any] = (
        select(payment, account.c.student_id, account.c.kind)
        .join(account)
        .where(*where)
        .order_by(payment.c.credited_on, payment.c.payment_id)
    )
    for row in connection.execute(query):
        yield _payment(row)


def _payment(row: Row[Any]) -> Payment:
    return Payment(
        row.payment_id,
        row.student_id,
        Nrb(row.nrb),
        row.kind,
        Money(row.minor, row.currency),
        row.ordered_on,
        row.credited_on,
        row.reference,
    )


def _in_lists(values: set[Any]) -> Iterator[list[Any]]:
    ordered = sorted(values)
    return (ordered[start : start + MAX_IN_LIST] for start in range(0, len(ordered), MAX_IN_LIST))
