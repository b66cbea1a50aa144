"""Make a plan: what would have to be written to each target so that it is as the records ask. Writes to none."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from idp.audit import words
from idp.audit.events import Event, new_id, record
from idp.errors import UnsafePlan
from idp.provisioning.desired import desired
from idp.provisioning.guard import refuse_if_unsafe
from idp.provisioning.plan import plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.subjects import Seen, load_subjects, stream_subjects
from idp.provisioning.values import Change, Entry, Finding, Kind, Target
from idp.store import runs
from idp.store.locks import exclusive
from idp.store.provisioning import (
    Desire,
    Observed,
    clear_marks,
    confirm,
    count_states,
    desire,
    doubt,
    states_among,
)
from idp.store.runs import ChangeRow, FindingRow, Run, TargetSummary

LOCK = "provisioning"  # one plan or run at a time
PORTION = 500  # people per portion: what is held in memory
Progress = Callable[[int], None]
Thing = TypeVar("Thing")


def make_plan(
    provisioner: Provisioner,
    actor: str,
    *,
    person_ids: Sequence[str] | None = None,
    progress: Progress = lambda _: None,
) -> Run:
    """Return a new plan over everybody, or over some people; it may be unsafe, which applying refuses.

    Raises:  TargetUnavailable, TargetRejected when a target cannot be read: a plan over a part would be wrong;
             Conflict when another plan or run is at work
    Effect:  a stored plan, and the event run.planned; what the targets have is noted, nothing is written to them
    """
    databases, clock = provisioner.databases, provisioner.clock
    with exclusive(databases, LOCK):
        run_id = new_id()
        with databases.identity.write() as connection:
            runs.begin_plan(connection, run_id, clock.now(), actor)
        _refresh(provisioner, person_ids, progress)
        draft = _Draft(run_id)
        for target in provisioner.targets.values():
            _compare(provisioner, target, draft, person_ids)
        with databases.identity.write() as connection:
            runs.end_plan(connection, run_id, draft.digest.hexdigest(), draft.summary)
            counts = {kind: part.counts for kind, part in draft.summary.items()}
            event = Event(words.RUN_PLANNED, subject=run_id, actor=actor, data={"changes": counts})
            record(connection, clock.timestamp(), event)
            made = runs.load_run(connection, run_id)
        assert made is not None  # written a line above
        return made


def unsafe_because(run: Run, provisioner: Provisioner) -> str:
    """Return why this plan may not be applied under today's limits, or "".

    Shape:   "ldap disable: 6200 of 6200, limit 124"
    """
    reasons = []
    for target, part in run.summary.items():
        counts = {Kind(kind): count for kind, count in part.counts.items()}
        try:
            refuse_if_unsafe(counts, part.population, provisioner.settings.limits.by_kind())
        except UnsafePlan as unsafe:
            reasons.append(f"{target} {unsafe}")
    return "; ".join(reasons)


# --- desired --------------------------------------------------------------------------------------------------------


def _refresh(provisioner: Provisioner, person_ids: Sequence[str] | None, progress: Progress) -> None:
    """Keep the digest of what is desired of each target for each person, where it changed."""
    today = provisioner.today()
    with provisioner.databases.identity.read() as connection:
        everybody: Iterable[Seen] = (
            stream_subjects(connection, provisioner.people, today)
            if person_ids is None
            else load_subjects(connection, person_ids, provisioner.people, today)
        )
        for portion in _portions(everybody):
            refresh_some(provisioner, portion)
            progress(len(portion))


def refresh_some(provisioner: Provisioner, portion: Sequence[Seen]) -> set[str]:
    """Keep what is desired of these people, and return whom something is to be written of, as far as we know.

    Effect:  a transaction, if anything changed, in which marks on the others go; a repeat is harmless
    """
    ids = [seen.subject.person.person_id for seen in portion]
    changed: dict[str, list[Desire]] = {}
    waiting: set[str] = set()
    with provisioner.databases.identity.read() as connection:
        for kind, target in provisioner.targets.items():
            known = states_among(connection, kind, ids)
            for seen in portion:
                entry = desired(seen.subject, target.attributes)
                state, digest = known.get(entry.person_id), entry.digest
                if state is None or (state.desired, state.only_if_present) != (digest, entry.only_if_present):
                    changed.setdefault(kind, []).append(Desire(entry.person_id, digest, entry.only_if_present))
                applied = state.applied if state else None
                if applied != digest and not (applied is None and entry.only_if_present):
                    waiting.add(entry.person_id)
    settled = [
        (seen.subject.person.person_id, seen.mark)
        for seen in portion
        if seen.mark and seen.subject.person.person_id not in waiting
    ]
    if changed or settled:
        with provisioner.databases.identity.write() as connection:
            for kind, desires in changed.items():
                desire(connection, kind, desires)
            clear_marks(connection, settled)
    return waiting


# --- compare --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """A plan in the making: numbers its rows and digests them in order."""

    run_id: str
    number: int = 0
    summary: dict[str, TargetSummary] = field(default_factory=dict)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def change_row(self, target: str, change: Change, mark: str) -> ChangeRow:
        before, after = (entry.to_json() if entry else None for entry in (change.before, change.after))
        self.number += 1
        self.digest.update(json.dumps([self.number, target, change.person_id, change.kind, before, after]).encode())
        return ChangeRow(
            number=self.number,
            target=target,
            person_id=change.person_id,
            kind=change.kind.value,
            name=change.name,
            before=before,
            after=after,
            reason=change.reason,
            desired=change.after.digest if change.after else None,
            mark=mark,
        )

    def finding_row(self, target: str, found: Finding) -> FindingRow:
        self.number += 1
        return FindingRow(self.number, target, found.person_id, found.name, found.what)


def _compare(provisioner: Provisioner, target: Target, draft: _Draft, person_ids: Sequence[str] | None) -> None:
    """Write one target's part of the plan."""
    counts: Counter[str] = Counter()
    findings = 0
    with provisioner.databases.identity.read() as connection:
        if person_ids is None:
            observed = Observed(connection, target.kind)
            population = observed.add((entry.person_id, entry.digest) for entry in target.read())
            doubled = observed.twice()
            _note(provisioner, target, draft, observed)
            differing: Iterable[tuple[str, bool]] = observed.differing()
        else:
            population = count_states(connection).get(target.kind, (0, 0))[0]
            doubled, differing = [], ((person_id, True) for person_id in sorted(set(person_ids)))
        for person_id in doubled:
            _add(provisioner, target, draft, [], [Finding(person_id, "", "has two entries with our mark")])
        for portion in _portions(each for each in differing if each[0] not in doubled):
            changes, found = _plan_some(provisioner, target, portion)
            _add(provisioner, target, draft, changes, found)
            counts.update(change.kind.value for change, _ in changes)
            findings += len(found)
    draft.summary[target.kind] = TargetSummary(population, dict(counts), findings + len(doubled))


def _note(provisioner: Provisioner, target: Target, draft: _Draft, observed: Observed) -> None:
    """Keep what the target was seen to have where our records say otherwise."""
    for pairs in _portions(observed.true_unknowingly()):
        with provisioner.databases.identity.write() as connection:
            confirm(connection, target.kind, pairs, draft.run_id, provisioner.clock.now())
    for pairs in _portions(observed.gone()):
        with provisioner.databases.identity.write() as connection:
            doubt(connection, target.kind, (person_id for person_id, _ in pairs))


def _plan_some(
    provisioner: Provisioner, target: Target, portion: Sequence[tuple[str, bool]]
) -> tuple[list[tuple[Change, str]], list[Finding]]:
    """Return changes, each with its person's mark, and findings over people in whom something differs."""
    ids = [person_id for person_id, _ in portion]
    with provisioner.databases.identity.read() as connection:
        seen = load_subjects(connection, ids, provisioner.people, provisioner.today())
    refresh_some(provisioner, seen)  # a request may have changed them since `_refresh` read them
    marks: dict[str, str] = {each.subject.person.person_id: each.mark for each in seen}
    there = [person_id for person_id, is_there in portion if is_there]
    results = list(
        plan(
            desired=(desired(each.subject, target.attributes) for each in seen),
            observed=_sorted_entries(target.read(there)) if there else (),
        )
    )
    changes = [(each, marks.get(each.person_id, "")) for each in results if isinstance(each, Change)]
    return changes, [each for each in results if isinstance(each, Finding)]


def _sorted_entries(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.person_id)


def _add(
    provisioner: Provisioner,
    target: Target,
    draft: _Draft,
    changes: Sequence[tuple[Change, str]],
    findings: Sequence[Finding],
) -> None:
    if changes or findings:
        rows = [draft.change_row(target.kind, change, mark) for change, mark in changes]
        found = [draft.finding_row(target.kind, each) for each in findings]
        with provisioner.databases.identity.write() as connection:
            runs.add_to_plan(connection, draft.run_id, rows, found)


def _portions(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    iterator = iter(things)
    while portion := list(itertools.islice(iterator, PORTION)):
        yield portion
