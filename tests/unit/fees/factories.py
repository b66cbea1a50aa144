"""Charges and payments with good defaults."""

from datetime import date

from idp.fees.account_numbers import make_nrb
from idp.fees.money import Money
from idp.fees.values import Account, Charge, Payment

NRB = make_nrb("99900009", "7777", 1)


def day(text: str) -> date:
    return date.fromisoformat(text)


def charge(charge_id: int = 1, minor: int = 10_000, due: str = "2026-10-15", kind: str = "fees") -> Charge:
    return Charge(
        charge_id, 1, kind, f"Opłata {charge_id}", f"Fee {charge_id}", Money(minor, "PLN"), day(due), f"c{charge_id}"
    )


def payment(payment_id: int = 1, minor: int = 10_000, credited: str = "2026-10-14", kind: str = "fees") -> Payment:
    return Payment(payment_id, 1, NRB, kind, Money(minor, "PLN"), None, day(credited), f"p{payment_id}")


def account(kind: str = "fees", valid_to: str = "") -> Account:
    return Account(NRB, 1, kind, "PLN", day("2026-10-01"), day(valid_to) if valid_to else None)
