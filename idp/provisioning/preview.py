"""What a plan would change now: a stream. Nothing is stored, and no lock is held."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from idp.errors import TargetError
from idp.people.change_queries import changed_after
from idp.provisioning.draft import Draft
from idp.provisioning.planning import NotRead, Page, Suspect, by_page, everywhere, with_work
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import Recomputed, compute
from idp.provisioning.runs import ChangeRow, FindingRow, LimitViolation, TargetSummary
from idp.provisioning.target import Target


@dataclass(slots=True)
class Preview:
    """A plan that nobody makes. Read `rows` to its end, then the summary is complete.

    Shape:   person_ids: these people; None: whose records changed, and of whom something must be written
             people who belong to a run are left out, as in a plan. No target is read whole
    """

    provisioner: Provisioner
    actor: str
    person_ids: Sequence[str] | None = None
    _draft: Draft = field(init=False)

    def __post_init__(self) -> None:
        self._draft = Draft(self.provisioner, self.actor, self.provisioner.targets)

    def rows(self) -> Iterator[ChangeRow | FindingRow]:
        """Yield changes and findings; a target that cannot be read is a finding."""
        for target in self.provisioner.targets.values():  # first: nobody would be enabled at a stage before it
            try:
                target.ping()
            except TargetError as error:
                yield from self._unread(target.kind, error)
        for suspects in by_page(self._suspects()):
            page = Page.of(self.provisioner, suspects, self._compute)
            for target in self.provisioner.targets.values():
                if target.kind not in self._draft.unread:
                    yield from self._rows_of(page, target)

    @property
    def summary(self) -> dict[str, TargetSummary]:
        """Return the parts of the targets."""
        return self._draft.summary

    def violations(self) -> list[LimitViolation]:
        """Return the limits that the plan would exceed."""
        return self._draft.violations()

    def _rows_of(self, page: Page, target: Target) -> Iterator[ChangeRow | FindingRow]:
        try:
            comparison = page.compare(target, self._draft)
        except NotRead as failed:
            yield from self._unread(target.kind, failed.error)
        else:
            for rows in self._draft.rows(target.kind, comparison.changes, comparison.findings):
                yield from rows

    def _unread(self, kind: str, error: TargetError) -> Iterable[FindingRow]:
        self._draft.unread[kind] = error
        return self._draft.rows(kind, [], [self._draft.unread_finding(kind)])[1]

    def _compute(self, person_ids: Sequence[str]) -> Recomputed:
        return compute(self.provisioner, self.provisioner.read(self.provisioner.load, person_ids))

    def _suspects(self) -> list[Iterable[Suspect]]:
        if self.person_ids is not None:
            return [everywhere(self.provisioner, sorted(set(self.person_ids)))]
        changed = self.provisioner.pages(partial(changed_after, now=self.provisioner.clock.now()))
        working = [with_work(self.provisioner, kind) for kind in self.provisioner.targets]
        return [everywhere(self.provisioner, chain.from_iterable(changed)), *working]
