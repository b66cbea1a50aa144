"""Say what a plan changes too much, before its first write: a bad feed must not hurt anybody. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from idp.provisioning.run_queries import Over
from idp.provisioning.values import Kind

# What is done by itself counts together over so long: a bad feed may come in many small pieces.
TOGETHER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many people one kind of change may touch at once in one target.

    A share of the entries there; a share says nothing about a handful, so `floor` people may always be touched; and
    however large the university is, never more than `count`.
    """

    share: float
    floor: int
    count: int | None = None  # None: the share alone counts

    def most(self, population: int) -> int:
        """Return the largest number that passes.

        Shape:   Limits(share=0.02, floor=50).most(6200) -> 124; .most(300) -> 50
                 Limits(share=0.02, floor=50, count=500).most(100_000) -> 500
        """
        # A share is written in decimals: 0.29 of 100 are 29, whatever the machine makes of 0.29 * 100.
        by_share = max(self.floor, math.floor(self.share * population + 1e-9))
        return by_share if self.count is None else min(self.count, by_share)


def excesses(
    target: str,
    counts: Mapping[str, int],
    population: int,
    limits: Limits | Mapping[Kind, Limits],
    *,
    is_first_load: bool = False,
    before: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Over]:
    """Yield each limit that a plan of so many changes exceeds in a target that holds `population` entries of ours.

    A kind without a limit may not be used at all.

    Shape:   {"disable": 6200}, 6200 -> Over("ldap", "disable", 6200, 6200, 124)
             is_first_load: nothing of ours has ever been there; nobody can be hurt by entries made in it
             before: other people by kind in whom the same was done by itself in the last day; they count, too
    """
    for word, count in sorted(counts.items()):
        kind = Kind(word)
        most = _most(kind, population, limits)
        already = before.get(word, 0)
        if already + count > most and not (kind is Kind.CREATE and is_first_load):
            yield Over(target, kind.value, count, population, most, already)


def sentence(over: Iterable[Over]) -> str:
    """Return what is over and by how much, or "".

    Shape:   "ldap disable: 6200 of 6200, limit 124"; "ldap disable: 50 of 6200 and 100 in the last 24 hours, limit 124"
    """
    return "; ".join(
        f"{one.target} {one.kind}: {one.count} of {one.population}"
        + (f" and {one.before} in the last 24 hours" if one.before else "")
        + f", limit {one.limit}"
        for one in over
    )


def _most(kind: Kind, population: int, limits: Limits | Mapping[Kind, Limits]) -> int:
    if isinstance(limits, Limits):
        return limits.most(population)
    return limits[kind].most(population) if kind in limits else 0
