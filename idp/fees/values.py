"""The values of the fees application."""

from dataclasses import dataclass
from datetime import date

from idp.fees.account_numbers import Nrb
from idp.fees.money import Money


@dataclass(frozen=True, slots=True)
class Programme:
    """One programme of study of one student, in the registry's words."""

    code: str
    name: str
    unit: str
    level: str
    form: str
    status: str
    status_from: date


@dataclass(frozen=True, slots=True)
class Student:
    """A student as the last transfer of data told."""

    student_id: int
    os_id: str
    album: str | None
    given_name: str
    surname: str
    programmes: tuple[Programme, ...] = ()

    @property
    def display_name(self) -> str:
        """Given name and surname; one of them may be missing."""
        return f"{self.given_name} {self.surname}".strip()


@dataclass(frozen=True, slots=True)
class Account:
    """An individual account number: one student's from the first day to the last, and nobody else's ever after."""

    nrb: Nrb
    student_id: int
    kind: str
    currency: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Charge:
    """What a student owes."""

    charge_id: int
    student_id: int
    kind: str
    title: str
    title_en: str
    amount: Money
    due_on: date
    reference: str


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that the university's account was credited with."""

    payment_id: int
    student_id: int
    nrb: Nrb
    kind: str
    amount: Money
    ordered_on: date | None
    credited_on: date
    reference: str


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser."""

    cas_user: str
    album: str | None
