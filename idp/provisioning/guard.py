"""Say what a plan changes too much, before its first write: a bad feed must not hurt anybody. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from idp.people.status import STUDENT
from idp.provisioning.run import LimitViolation
from idp.provisioning.values import Change, Kind

# A limit beside those of the kinds: a change that takes student rights away counts for its kind and for this.
LOSE_RIGHTS = "lose_rights"
AFFILIATIONS = ("affiliations", "scoped_affiliations")  # keys of the catalogue
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
    limits: Mapping[str, Limits],
    *,
    is_first_load: bool = False,
    before: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[LimitViolation]:
    """Yield each limit that a plan of so many changes exceeds in a target that holds `population` entries of ours.

    A kind without a limit may not be used at all.

    Shape:   {"disable": 6200}, 6200 -> LimitViolation("ldap", "disable", 6200, 6200, 124)
             is_first_load: nothing of ours has ever been there; nobody can be hurt by entries made in it
             before: other people by kind, by the worker's own runs of the last day; they count too
    """
    for kind, count in sorted(counts.items()):
        most = limits[kind].most(population) if kind in limits else 0
        already = before.get(kind, 0)
        if already + count > most and not (kind == Kind.CREATE and is_first_load):
            yield LimitViolation(target, kind, count, population, most, already)


def loses_rights(change: Change, made_of: Mapping[str, str | tuple[str, ...]]) -> bool:
    """Return whether a change takes student rights away: the entry had the affiliation and has it no more.

    Shape:   made_of: the catalogue key of each attribute of the target
    """
    if change.before is None or change.after is None:
        return False
    names = [name for name, key in made_of.items() if key in AFFILIATIONS]
    before, after = change.before.attributes, change.after.attributes
    return any(_has_student(before.get(name, ())) and not _has_student(after.get(name, ())) for name in names)


def _has_student(values: Iterable[str]) -> bool:
    return any(value.partition("@")[0] == STUDENT for value in values)


def sentence(over: Iterable[LimitViolation]) -> str:
    """Return what is over and by how much, or "".

    Shape:   "ldap disable: 6,200 of 6,200, limit 124";
             "ldap disable: 50 of 6,200 and 100 in the last 24 hours, limit 124"
    """
    return "; ".join(
        f"{one.target} {one.kind}: {one.count:,} of {one.population:,}"
        + (f" and {one.before:,} in the last 24 hours" if one.before else "")
        + f", limit {one.limit:,}"
        for one in over
    )
