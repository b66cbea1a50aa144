"""Invent charges and payments for a demonstration: whoever signs in sees paid, paid late, overdue and due at once."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from idp.fees.account_numbers import Nrb
from idp.fees.charges import NewCharge
from idp.fees.due import payable_until
from idp.fees.payments import NewPayment
from idp.fees.working_days import same_or_next_working_day


@dataclass(frozen=True, slots=True)
class Payer:
    """A student and the account to pay to."""

    os_id: str
    album: str
    kind: str
    nrb: Nrb
    part_time: bool


@dataclass(frozen=True, slots=True)
class _Fee:
    name: str
    title: str
    title_en: str
    minor: int


CARD = _Fee("card", "Legitymacja studencka", "Student card", 2_200)
INSURANCE = _Fee("insurance", "Ubezpieczenie NNW", "Accident insurance", 5_500)
TUITION = (
    _Fee("tuition-1", "Czesne za semestr zimowy, rata 1 z 2", "Tuition, winter semester, instalment 1 of 2", 145_000),
    _Fee("tuition-2", "Czesne za semestr zimowy, rata 2 z 2", "Tuition, winter semester, instalment 2 of 2", 145_000),
)
DORMITORY = (
    _Fee("room-1", "Dom studencki, miesiąc ubiegły", "Dormitory, last month", 62_000),
    _Fee("room-2", "Dom studencki, miesiąc bieżący", "Dormitory, this month", 62_000),
)


def mark_of(os_id: str) -> str:
    """Return the reference of a student's first invented charge: who has it was served before."""
    return f"demo-{os_id}-{CARD.name}"


def invented(payers: Iterable[Payer], seed: int, today: date) -> tuple[list[NewCharge], list[NewPayment]]:
    """Return charges and payments relative to `today`, the same for the same seed and day.

    Shape:   for each payer a card, paid in time; an insurance, paid late; a larger fee that is overdue, for some paid
             in part; its next instalment, still to come
    """
    charges: list[NewCharge] = []
    payments: list[NewPayment] = []
    for payer in payers:
        chance = random.Random(f"{seed}-{payer.os_id}")  # noqa: S311 - a demonstration, no secret
        past, coming = TUITION if payer.part_time else DORMITORY
        due = [
            (CARD, today - timedelta(days=70), "in time"),
            (INSURANCE, today - timedelta(days=45), "late"),
            (past, today - timedelta(days=chance.randint(8, 20)), chance.choices(["open", "part"], [3, 1])[0]),
            (coming, today + timedelta(days=chance.randint(3, 28)), "open"),
        ]
        for fee, due_on, fate in due:
            charges.append(_charge(payer, fee, due_on))
            if fate != "open":
                payments.append(_payment(payer, fee, due_on, fate, chance))
    return charges, payments


def _charge(payer: Payer, fee: _Fee, due_on: date) -> NewCharge:
    reference = f"demo-{payer.os_id}-{fee.name}"
    return NewCharge(payer.album, fee.title, fee.minor, due_on, reference, payer.kind, fee.title_en)


def _payment(payer: Payer, fee: _Fee, due_on: date, fate: str, chance: random.Random) -> NewPayment:
    until = payable_until(due_on)
    late = timedelta(days=chance.randint(1, 3))
    early = timedelta(days=chance.randint(6, 12))
    credited_on = same_or_next_working_day(until + late if fate == "late" else until - early)
    ordered_on = credited_on - timedelta(days=chance.randint(1, 4))
    minor = fee.minor // 2 if fate == "part" else fee.minor
    return NewPayment(payer.nrb, minor, ordered_on, credited_on, f"demo-{payer.os_id}-{fee.name}-paid")
