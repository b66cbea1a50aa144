"""In which portions and order a run is carried out: rules, nothing else.

Doors close from the first target to the last and open from the last to the first: whoever must not get in any more is
shut out at the outermost door first, and nobody is let in before everything behind is ready. A target that is away is
not waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from idp.provisioning.values import Kind

SHUT, REST, ALL = "shut", "rest", "all"
KINDS = {
    SHUT: tuple(kind.value for kind in (Kind.DISABLE, Kind.REMOVE)),
    REST: tuple(kind.value for kind in Kind if kind not in (Kind.DISABLE, Kind.REMOVE)),
    ALL: None,
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Changes of one run that one worker makes: of one target, of some kinds, in one range of numbers."""

    target: str
    way: str  # SHUT, REST or ALL
    number: int  # of the portion
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
    def kinds(self) -> tuple[str, ...] | None:
        """Which kinds of change it makes; None: all."""
        return KINDS[self.way]


def phases(targets: Sequence[str]) -> list[tuple[str, str]]:
    """Return (target, way) in the order in which a person is carried through.

    Shape:   ["accounts", "ldap"] -> [("accounts", "shut"), ("ldap", "all"), ("accounts", "rest")]
    """
    if not targets:
        return []
    *outer, innermost = targets
    return [
        *((target, SHUT) for target in outer),
        (innermost, ALL),
        *((target, REST) for target in reversed(outer)),
    ]
