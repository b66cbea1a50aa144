"""Where a charge becomes overdue: the day on which the university's account was credited decides, not the order's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from idp.fees.allocation import Part, settled
from idp.fees.values import Charge
from idp.fees.working_days import same_or_next_working_day


class Condition(StrEnum):
    """How a charge stands today."""

    PAID = "paid"
    PAID_LATE = "paid_late"
    DUE = "due"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class State:
    """A charge on one day.

    Units:   `days` to go when due, late when overdue or paid late, 0 when paid in time; `paid_minor` smallest unit
    """

    condition: Condition
    payable_until: date
    days: int
    settled_on: date | None
    paid_minor: int


def payable_until(due_on: date) -> date:
    """Return the last day on which a credit is in time.

    Shape:   2026-10-17, a Saturday -> 2026-10-19
    Source:  Civil Code art. 115: a deadline on a Saturday or holiday moves to the next working day
    """
    return same_or_next_working_day(due_on)


def state_of(charge: Charge, parts: Sequence[Part], today: date) -> State:
    """Return how `charge` stands on `today`, given the payments that settle it.

    Shape:   due 15 October, credited 16 October -> PAID_LATE by 1 day, whenever it was ordered
             due 15 October, nothing credited, today 15 October -> DUE in 0 days; the next day OVERDUE by 1
    """
    until = payable_until(charge.due_on)
    paid = settled(parts)
    if paid >= charge.amount.minor:
        settled_on = max(part.credited_on for part in parts)
        late = max((settled_on - until).days, 0)
        return State(Condition.PAID_LATE if late else Condition.PAID, until, late, settled_on, paid)
    if today > until:
        return State(Condition.OVERDUE, until, (today - until).days, None, paid)
    return State(Condition.DUE, until, (until - today).days, None, paid)
