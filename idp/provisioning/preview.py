"""What a plan would change now: a stream. Nothing is stored, and no lock is held."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from idp.errors import TargetError
from idp.people.change_queries import changed_after
from idp.provisioning import run_queries as runs
from idp.provisioning.compare import compare_some
from idp.provisioning.planning import Draft, may_enable, population_of, violations_of
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import compute_some, portions
from idp.provisioning.runs import ChangeRow, FindingRow, LimitViolation, TargetSummary
from idp.provisioning.state_queries import work_after
from idp.provisioning.target import Target
from idp.provisioning.values import Finding


@dataclass(slots=True)
class Preview:
    """A plan that nobody makes. Read `rows` to its end, then the summary is complete.

    Shape:   person_ids: these people; None: whose records changed, and of whom something must be written
             people who belong to a run are left out, as in a plan. No target is read whole
    """

    provisioner: Provisioner
    actor: str
    person_ids: Sequence[str] | None = None
    _draft: Draft = field(default_factory=lambda: Draft(""))

    def rows(self) -> Iterator[ChangeRow | FindingRow]:
        """Yield changes and findings, target by target; a target that cannot be read is a finding."""
        targets = list(self.provisioner.targets.values())
        for target in targets:  # first: nobody would be enabled at a stage before one that cannot be read
            try:
                target.ping()
            except TargetError as error:
                self._draft.unread[target.kind] = error
        for target in targets:
            yield from self._target_rows(target)

    @property
    def summary(self) -> dict[str, TargetSummary]:
        """Return the parts of the targets."""
        return self._draft.summary_with_losses()

    def violations(self) -> list[LimitViolation]:
        """Return the limits that the plan would exceed."""
        return violations_of(self.provisioner, self._draft, self.actor)

    def _target_rows(self, target: Target) -> Iterator[ChangeRow | FindingRow]:
        counts: Counter[str] = Counter()
        findings = 0
        try:
            for ids in portions(self._people(target.kind)) if target.kind not in self._draft.unread else ():
                for row in self._portion_rows(target, ids):
                    counts.update([row.kind] if isinstance(row, ChangeRow) else [])
                    findings += isinstance(row, FindingRow)
                    yield row
        except TargetError as error:
            self._draft.unread[target.kind] = error
        error_text = str(self._draft.unread.get(target.kind, ""))
        if error_text:
            what = f"not planned: {target.kind} could not be read: {error_text}"
            yield self._draft.finding_row(target.kind, Finding("", "everybody", what[:200]))
            findings += 1
        population = population_of(self.provisioner, target)
        self._draft.summary[target.kind] = TargetSummary(population, dict(counts), findings, error_text)

    def _portion_rows(self, target: Target, ids: Sequence[str]) -> Iterator[ChangeRow | FindingRow]:
        with self.provisioner.databases.identity.read() as connection:
            owned = runs.owners_among(connection, ids)
        mine = [person_id for person_id in ids if person_id not in owned]
        if not mine:
            return
        entries = compute_some(self.provisioner, mine, target.kind).entries[target.kind]
        names = {entry.person_id: entry.name for entry, _ in entries}
        compared = compare_some(entries, target.read(mine, names))
        for change in compared.changes:
            if not change.lets_in or may_enable(self.provisioner, target, self._draft):
                yield self._draft.change_row(target, change)
        for finding in compared.findings:
            yield self._draft.finding_row(target.kind, finding)

    def _people(self, kind: str) -> Iterator[str]:
        if self.person_ids is not None:
            return iter(sorted(set(self.person_ids)))
        now = self.provisioner.clock.now()
        changed = _each(self.provisioner.pages(partial(changed_after, now=now)))
        return _unique(heapq.merge(changed, _each(self.provisioner.pages(partial(work_after, target=kind)))))


def _each(found: Iterable[Sequence[str]]) -> Iterator[str]:
    return (person_id for ids in found for person_id in ids)


def _unique(ordered: Iterable[str]) -> Iterator[str]:
    return (person_id for person_id, _ in groupby(ordered))
