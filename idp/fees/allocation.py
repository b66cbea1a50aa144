"""Which payment settles which charge: the oldest due charge first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from idp.fees.values import Charge, Payment


@dataclass(frozen=True, slots=True)
class Part:
    """A payment, or a part of it, that settles a charge, or a part of it."""

    charge_id: int
    payment_id: int
    minor: int
    credited_on: date


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where a student's payments went; `left` is what of each payment waits for the next charge."""

    parts: tuple[Part, ...]
    left: Mapping[int, int]

    def of_charge(self, charge_id: int) -> tuple[Part, ...]:
        """Return what settles this charge, first credited first."""
        return tuple(part for part in self.parts if part.charge_id == charge_id)


def allocate(charges: Iterable[Charge], payments: Iterable[Payment]) -> Allocation:
    """Return where one student's payments go.

    Shape:   payments in the order of their credit dates, each to the charge that was due first and still lacks money,
             of the same kind and currency only; the order of the arguments means nothing
    """
    waiting: dict[tuple[str, str], list[Charge]] = defaultdict(list)
    for charge in sorted(charges, key=lambda charge: (charge.due_on, charge.charge_id), reverse=True):
        waiting[charge.kind, charge.amount.currency].append(charge)  # the oldest stands last, where pop() is cheap
    lacking = {charge.charge_id: charge.amount.minor for same in waiting.values() for charge in same}
    parts: list[Part] = []
    left: dict[int, int] = {}
    for payment in sorted(payments, key=lambda payment: (payment.credited_on, payment.payment_id)):
        queue = waiting[payment.kind, payment.amount.currency]
        if rest := _spend(payment, queue, lacking, parts):
            left[payment.payment_id] = rest
    return Allocation(tuple(parts), left)


def settled(parts: Sequence[Part]) -> int:
    """Return how much `parts` sum to, in the smallest unit."""
    return sum(part.minor for part in parts)


def _spend(payment: Payment, queue: list[Charge], lacking: dict[int, int], parts: list[Part]) -> int:
    """Give the payment to the charges at the end of `queue` and return what is left of it."""
    rest = payment.amount.minor
    while rest and queue:
        charge_id = queue[-1].charge_id
        given = min(rest, lacking[charge_id])
        parts.append(Part(charge_id, payment.payment_id, given, payment.credited_on))
        rest -= given
        lacking[charge_id] -= given
        if not lacking[charge_id]:
            queue.pop()
    return rest
