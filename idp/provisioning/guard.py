"""Stop a plan that changes too much before its first write: a bad feed must not hurt anybody."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from idp.errors import UnsafePlan
from idp.provisioning.values import Kind


@dataclass(frozen=True, slots=True)
class Limits:
    """How many people one kind of change may touch at once: a share of all, and at least `floor`."""

    share: float
    floor: int

    def most(self, population: int) -> int:
        """Return the largest number that passes.

        Shape:   Limits(share=0.02, floor=50).most(6200) -> 124; .most(300) -> 50
        """
        return max(self.floor, math.floor(self.share * population))


def refuse_if_unsafe(counts: Mapping[Kind, int], population: int, limits: Limits | Mapping[Kind, Limits]) -> None:
    """Return if a plan of so many changes may be applied to a target that holds `population` entries of ours.

    Raises:  UnsafePlan naming every kind over its limit; a kind without a limit may not be used at all
    """
    over = [
        f"{kind}: {count} of {population}, limit {most}"
        for kind, count in counts.items()
        if count > (most := _most(kind, population, limits)) and not _is_first_load(kind, population)
    ]
    if over:
        raise UnsafePlan("; ".join(over))


def _most(kind: Kind, population: int, limits: Limits | Mapping[Kind, Limits]) -> int:
    if isinstance(limits, Limits):
        return limits.most(population)
    return limits[kind].most(population) if kind in limits else 0


def _is_first_load(kind: Kind, population: int) -> bool:
    """Nobody can be hurt by entries made in a target that holds nothing of ours."""
    return kind is Kind.CREATE and population == 0
