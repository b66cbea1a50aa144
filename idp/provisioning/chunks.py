"""The chunks of a run and their order. Pure.

People are disabled in target order and enabled in reverse order: nobody gets in before everything behind is ready. A
target that is away is not waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from idp.provisioning.values import Kind

DISABLE, REST, ALL = "disable", "rest", "all"
KINDS = {
    DISABLE: (Kind.DISABLE, Kind.REMOVE),
    REST: tuple(kind for kind in Kind if kind not in (Kind.DISABLE, Kind.REMOVE)),
    ALL: tuple(Kind),
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Changes of one run that one worker makes: of one target, of some kinds, in one range of numbers."""

    target: str
    way: str  # DISABLE, REST or ALL
    number: int  # of the chunk
    size: int

    @property
    def after(self) -> int:
        """The number before its first."""
        return self.number * self.size

    @property
    def upto(self) -> int:
        """Its last number."""
        return (self.number + 1) * self.size

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Which kinds of change it makes."""
        return KINDS[self.way]


def phases(targets: Sequence[str]) -> list[tuple[str, str]]:
    """Return (target, way) in the order in which a person is carried through.

    Shape:   ["accounts", "ldap"] -> [("accounts", "disable"), ("ldap", "all"), ("accounts", "rest")]
    """
    if not targets:
        return []
    *outer, innermost = targets
    return [
        *((target, DISABLE) for target in outer),
        (innermost, ALL),
        *((target, REST) for target in reversed(outer)),
    ]
