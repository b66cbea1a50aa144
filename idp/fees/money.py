"""Money: a whole number of the smallest unit, and its currency. Never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal

from idp.errors import InvalidAmount


@dataclass(frozen=True, slots=True)
class Money:
    """`Money(12345, "PLN")` is 123.45 zł."""

    minor: int
    currency: str

    @property
    def decimal(self) -> Decimal:
        """The amount in whole units, for formatting."""
        return Decimal(self.minor).scaleb(-2)

    def __str__(self) -> str:
        return f"{self.decimal:.2f} {self.currency}"


def parse_minor(text: str) -> int:
    """Return the amount in the smallest unit.

    Shape:   "123.45" and "123,45" -> 12345; "123" -> 12300; more than nothing, below a thousand million
    Raises:  InvalidAmount; a third decimal is refused, never rounded
    """
    found = re.fullmatch(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?", text.strip())
    minor = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0")) if found else 0
    if minor == 0:
        raise InvalidAmount(f"{text.strip()[:40]!r} is no amount: write it like 123.45, more than nothing.")
    return minor
