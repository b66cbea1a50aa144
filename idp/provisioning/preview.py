"""What a plan would change now: a stream. Nothing is stored, and no lock is held."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from idp.errors import TargetError
from idp.people.change_queries import changed_after
from idp.provisioning.draft import Draft
from idp.provisioning.planning import NotRead, Page, Suspect, by_page, everywhere, with_work
from idp.provisioning.run import ChangeRow, FindingRow


def preview(draft: Draft, person_ids: Sequence[str] | None = None) -> Iterator[ChangeRow | FindingRow]:
    """Yield changes and findings of a draft that is not stored. At the end its summary is complete.

    Shape:   person_ids: these people; None: whose records changed, and of whom something must be written
             people who belong to a run are left out, as in a plan. No target is read whole; one that cannot be read is
             a finding
    """
    provisioner = draft.provisioner

    def unread(kind: str, error: TargetError) -> Iterable[FindingRow]:
        draft.unread[kind] = error
        return draft.rows(kind, [], [draft.unread_finding(kind)])[1]

    for target in provisioner.targets.values():  # first: nobody would be enabled at a stage before it
        try:
            target.ping()
        except TargetError as error:
            yield from unread(target.kind, error)
    for suspects in by_page(_suspects(draft, person_ids)):
        page = Page.of(provisioner, suspects)
        for target in provisioner.targets.values():
            if target.kind not in draft.unread:
                try:
                    comparison = page.compare(target, draft)
                except NotRead as failed:
                    yield from unread(target.kind, failed.error)
                else:
                    yield from chain.from_iterable(draft.rows(target.kind, comparison.changes, comparison.findings))


def _suspects(draft: Draft, person_ids: Sequence[str] | None) -> list[Iterable[Suspect]]:
    provisioner = draft.provisioner
    if person_ids is not None:
        return [everywhere(provisioner, sorted(set(person_ids)))]
    changed = provisioner.pages(partial(changed_after, now=provisioner.clock.now()))
    working = [with_work(provisioner, kind) for kind in provisioner.targets]
    return [everywhere(provisioner, chain.from_iterable(changed)), *working]
