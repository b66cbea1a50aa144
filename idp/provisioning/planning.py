"""Make a plan: what would have to be written to each target so that it is as the records ask. Writes to none.

Its cost grows with what changed. It compares people whose records changed and people with work. It compares everybody
only if the rules changed, or if somebody asks for that. Drift is found before (idp.provisioning.drift).
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Self

from more_itertools import chunked
from sqlalchemy import Connection

from idp.db.locks import exclusive
from idp.errors import TargetError
from idp.people.change_queries import changes_among, count_changes
from idp.people.queries import count_people
from idp.permissions import Actor, Permission
from idp.provisioning import run_queries, state_queries
from idp.provisioning.attempts import count_attempts_and_tell
from idp.provisioning.compare import Comparison, compare
from idp.provisioning.draft import LOCK, Draft
from idp.provisioning.fingerprint import fingerprint
from idp.provisioning.provisioner import PAGE, Provisioner
from idp.provisioning.recompute import (
    Progress,
    Recomputed,
    compute,
    recompute,
    recompute_changed,
    recompute_everybody,
)
from idp.provisioning.run import Run
from idp.provisioning.run_steps import refuse_while_running, retry_failed
from idp.provisioning.target import Target, digests_in
from idp.provisioning.target_states import NOT_SHOWN
from idp.provisioning.values import Finding

Suspect = tuple[str, str, bool]  # (person_id, target, whether it may have an entry): something may differ
Suspects = Mapping[str, Mapping[str, bool]]  # the same by person and target
_PERSON = itemgetter(0)


class Scope(Enum):
    """Which people a plan compares."""

    CHANGED = auto()  # people whose records changed, and people with work
    ALL = auto()  # everybody, and all that the targets have


class NotRead(Exception):
    """A target could not be read."""

    def __init__(self, kind: str, error: TargetError) -> None:
        super().__init__(f"{kind} could not be read: {error}")
        self.kind = kind
        self.error = error


def make_plan(
    provisioner: Provisioner,
    actor: Actor,
    *,
    scope: Scope = Scope.CHANGED,
    person_ids: Sequence[str] | None = None,
    progress: Progress = lambda _: None,
) -> Run:
    """Return a new plan over the people of a scope, or over some people. Over a limit, it awaits approval.

    Shape:   a target that was never read whole, or not since the rules changed, is read whole in any scope; for
             `person_ids` no target is read whole
             people who belong to another run, as they are desired now, are left out
             a target that cannot be read has no part in the plan; nobody is enabled at a stage before it
    Raises:  NotAllowed;
             TargetUnavailable, TargetRejected when a target cannot be read and nothing is to be done in the others;
             Conflict when another plan or run is at work; ConfigError when the rules fail for everybody
    Effect:  a stored plan, and the event run.planned; what the targets have is stored, nothing is written to them.
             A plan over everybody tries people again who were given up
    """
    actor.require(Permission.RUNS_PLAN)
    with exclusive(provisioner.databases, LOCK):
        refuse_while_running(provisioner)
        draft = Draft.begin(provisioner, actor.actor_id, provisioner.targets)
        if person_ids is None:
            if scope is Scope.ALL:  # perhaps the target was repaired for those whom it refused, too
                retry_failed(provisioner, actor.actor_id)
            _plan_scope(provisioner, scope, draft, progress)
        else:
            ids = sorted(set(person_ids))
            failed = recompute(provisioner, ids)
            _plan(provisioner, draft, failed, lambda: [everywhere(provisioner, ids)])
        return draft.seal()


def discard_if_empty(provisioner: Provisioner, run: Run) -> None:
    """Delete a run that has neither changes nor findings: lists of runs would fill with them."""
    if not run.changes and not any(part.findings for part in run.summary.values()):
        provisioner.write(run_queries.forget_run, run.run_id)


def people_to_look_at(provisioner: Provisioner, scope: Scope) -> int:
    """Return how many people a plan of this scope would report as progress, about."""
    return provisioner.read(count_people if _rules_of_whole(provisioner, scope) else count_changes)


def refuse_if_unreachable(provisioner: Provisioner) -> None:
    """Return if every target answers: only then "nothing to change" is a fact.

    Raises:  TargetUnavailable
    """
    for target in provisioner.targets.values():
        target.ping()


def _rules_of_whole(provisioner: Provisioner, scope: Scope) -> dict[str, str]:
    """Return the fingerprints of the rules of the targets that are to be read whole."""
    known = provisioner.read(state_queries.compared_rules)
    rules = {kind: fingerprint(target, provisioner.people) for kind, target in provisioner.targets.items()}
    return {kind: rule for kind, rule in rules.items() if scope is Scope.ALL or known.get(kind) != rule}


def _plan_scope(provisioner: Provisioner, scope: Scope, draft: Draft, progress: Progress) -> None:
    rules = _rules_of_whole(provisioner, scope)
    failed = recompute_everybody(provisioner, progress) if rules else recompute_changed(provisioner, progress)
    provisioner.write(run_queries.drop_unneeded, provisioner.clock.now())
    with ExitStack() as stack:
        whole: dict[str, state_queries.Observed] = {}
        for kind in rules:
            observed = state_queries.Observed(stack.enter_context(provisioner.databases.identity.read()), kind)
            try:
                draft.populations[kind] = observed.add(digests_in(provisioner.targets[kind]))
            except TargetError as error:
                draft.unread[kind] = error
                continue
            whole[kind] = observed
            _note_whole(provisioner, observed, draft.populations[kind])
        doubled = {kind: observed.doubled() for kind, observed in whole.items()}

        def suspects() -> list[Iterable[Suspect]]:
            return [
                _differing(whole[kind], doubled[kind]) if kind in whole else with_work(provisioner, kind)
                for kind in provisioner.targets
            ]

        _plan(provisioner, draft, failed, suspects, doubled)
    provisioner.write(state_queries.note_rules, {kind: rules[kind] for kind in whole}, provisioner.clock.now())


def with_work(provisioner: Provisioner, kind: str) -> Iterator[Suspect]:
    """Yield people with work in a target, sorted; it may have an entry of each of them."""
    return (
        (one, kind, True) for ids in provisioner.pages(partial(state_queries.work_after, target=kind)) for one in ids
    )


def everywhere(provisioner: Provisioner, person_ids: Iterable[str]) -> Iterator[Suspect]:
    """Yield people in every target; it may have an entry of each of them."""
    return ((person_id, kind, True) for person_id in person_ids for kind in provisioner.targets)


def _differing(observed: state_queries.Observed, doubled: Collection[str]) -> Iterator[Suspect]:
    return ((one, observed.target, is_there) for one, is_there in observed.differing() if one not in doubled)


# --- compare --------------------------------------------------------------------------------------------------------


def _plan(
    provisioner: Provisioner,
    draft: Draft,
    failed: Sequence[str],
    suspects: Callable[[], Iterable[Iterable[Suspect]]],
    doubled: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Write the plan over people in whom something may differ in a target, sorted.

    Shape:   failed: people for whom the rules failed
    Raises:  TargetUnavailable, TargetRejected when a target cannot be read and nothing is to be done in the others
    """
    while True:
        for kind in provisioner.targets:
            unread = [draft.unread_finding(kind)] if kind in draft.unread else []
            draft.add(kind, [], unread or map(Finding.doubled, doubled.get(kind, ())))
        draft.add_failed(failed)
        try:
            for page in by_page(suspects()):
                _plan_page(provisioner, draft, page)
            break
        except NotRead as not_read:
            # Start again: at the stages before it the plan may enable somebody.
            draft.unread[not_read.kind] = not_read.error
            draft.begin_anew()
            provisioner.write(run_queries.empty_plan, draft.run_id)
    if draft.unread and not any(sum(counts.values()) for counts in draft.counts.values()):
        raise next(iter(draft.unread.values()))


def _plan_page(provisioner: Provisioner, draft: Draft, suspects: Suspects) -> None:
    page = Page.of(provisioner, suspects)
    draft.add_failed(page.computed.failed)
    for target in provisioner.targets.values():
        if target.kind in draft.unread or not (people := page.people(target.kind)):
            continue
        if provisioner.read(changes_among, people):  # somebody's records changed since, or while a target was read
            recompute(provisioner, people)
            page = Page.of(provisioner, suspects)
        comparison = page.compare(target, draft)
        with provisioner.databases.identity.write() as connection:
            not_shown = _note_read(provisioner, connection, target.kind, page, comparison, draft.actor)
            changes = (one for one in comparison.changes if one.person_id not in not_shown)
            run_queries.add_to_plan(connection, draft.run_id, *draft.rows(target.kind, changes, comparison.findings))


def by_page(streams: Iterable[Iterable[Suspect]]) -> Iterator[Suspects]:
    """Yield the people of some sorted streams, each person once, a page in memory at a time."""
    people = groupby(heapq.merge(*streams, key=_PERSON), key=_PERSON)
    for page in chunked(((one, {kind: is_there for _, kind, is_there in group}) for one, group in people), PAGE):
        yield dict(page)


@dataclass(frozen=True, slots=True)
class Page:
    """Some people in whom something may differ, and what is desired of them. People of other runs are left out."""

    suspects: Suspects
    computed: Recomputed

    @classmethod
    def of(cls, provisioner: Provisioner, suspects: Suspects) -> Self:
        """Return a page; everybody in it is loaded once, for all targets."""
        owned = provisioner.read(run_queries.owners_among, list(suspects))
        mine = {person_id: kinds for person_id, kinds in suspects.items() if person_id not in owned}
        return cls(mine, compute(provisioner, provisioner.read(provisioner.load, list(mine))))

    def people(self, kind: str) -> list[str]:
        """Return the people to compare in a target."""
        return [one for one, kinds in self.suspects.items() if kind in kinds and one not in self.computed.failed]

    def compare(self, target: Target, draft: Draft) -> Comparison:
        """Return what differs in a target; nobody is enabled who may not be.

        Raises:  NotRead
        """
        people = self.people(target.kind)
        there = [person_id for person_id in people if self.suspects[person_id][target.kind]]
        mine = set(people)
        entries = [entry for entry in self.computed.entries[target.kind] if entry.person_id in mine]
        try:
            names = {entry.person_id: entry.name for entry in entries}
            comparison = compare(entries, target.read(there, names) if there else ())
        except TargetError as error:
            raise NotRead(target.kind, error) from error
        if not draft.may_enable(target.kind):
            comparison.changes[:] = [change for change in comparison.changes if not change.lets_in]
        return comparison


def _note_read(
    provisioner: Provisioner, connection: Connection, kind: str, page: Page, comparison: Comparison, actor: str
) -> set[str]:
    """Store what a read showed of some people, and return those whose accepted write is not shown yet."""
    now, patience = provisioner.clock.now(), provisioner.settings.patience
    settled = {*comparison.absent, *(entry.person_id for entry in comparison.shown)}
    accepted = state_queries.accepted_among(connection, kind, page.people(kind))
    not_shown = accepted.keys() - settled
    state_queries.note_shown(connection, kind, ((entry.person_id, entry.digest) for entry in comparison.shown), now)
    state_queries.note_absent(connection, kind, comparison.absent, now)
    late = ((one, NOT_SHOWN) for one in not_shown if accepted[one] <= now)
    count_attempts_and_tell(provisioner, connection, kind, late, actor)
    state_queries.delay(connection, kind, comparison.doubled, "has two entries", now, patience)
    return not_shown


def _note_whole(provisioner: Provisioner, observed: state_queries.Observed, population: int) -> None:
    """Store what a whole target was seen to have where our records say otherwise."""
    now, kind = provisioner.clock.now(), observed.target
    if population == 0:
        provisioner.write(state_queries.note_all_absent, kind, now)
        return
    notes: Sequence[tuple[Iterator[Any], Callable[..., None]]] = (
        (observed.newly_shown(), state_queries.note_shown),
        (observed.gone(), state_queries.note_absent),
        (observed.newly_different(), state_queries.mark_in_doubt),
    )
    for people, note in notes:
        for some in chunked(people, PAGE):
            provisioner.write(note, kind, some, now)
