"""Make a plan: what would have to be written to each target so that it is as the records ask. Writes to none.

Its cost grows with what changed. It compares people whose records changed and people with work. It compares everybody
only if the rules changed, or if somebody asks for that. Drift is found before (idp.provisioning.drift).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import Enum, auto
from functools import partial

import msgspec

from idp.audit import event_types
from idp.audit.events import SYSTEM, Event, new_id, record
from idp.db.locks import exclusive
from idp.errors import TargetError
from idp.people.change_queries import count_changes
from idp.people.queries import count_people
from idp.permissions import Actor, Permission
from idp.provisioning import run_queries as runs
from idp.provisioning.compare import Compared, compare_some
from idp.provisioning.fingerprint import fingerprint
from idp.provisioning.guard import LOSE_RIGHTS, TOGETHER, excesses, loses_rights
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import (
    Progress,
    portions,
    recompute,
    recompute_changed,
    recompute_everybody,
    recompute_some,
)
from idp.provisioning.run_steps import refuse_while_running, retry_failed
from idp.provisioning.runs import ChangeRow, FindingRow, LimitViolation, Run, RunKind, TargetSummary
from idp.provisioning.state_queries import (
    Observed,
    compared_rules,
    count_attempts,
    count_states,
    delay,
    mark_in_doubt,
    note_absent,
    note_all_absent,
    note_rules,
    note_shown,
    states_among,
    was_filled,
    work_after,
)
from idp.provisioning.states import NOT_SHOWN, State
from idp.provisioning.target import Target, digests_in
from idp.provisioning.values import Change, Finding

LOCK = "provisioning"  # one plan or run at a time


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


@dataclass(slots=True)
class Draft:
    """A plan in the making: numbers its rows and digests them in order."""

    run_id: str
    kind: RunKind = RunKind.SYNC
    unread: dict[str, TargetError] = field(default_factory=dict)  # by target, why nothing is planned in it
    number: int = 0
    summary: dict[str, TargetSummary] = field(default_factory=dict)
    lose_rights: Counter[str] = field(default_factory=Counter)  # changes that take student rights away, by target
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def begin_anew(self) -> None:
        """Forget the rows."""
        self.number, self.summary, self.lose_rights, self.digest = 0, {}, Counter(), hashlib.sha256()

    def summary_with_losses(self) -> dict[str, TargetSummary]:
        """Return the summary with the changes that take student rights away."""
        return {kind: replace(part, lose_rights=self.lose_rights[kind]) for kind, part in self.summary.items()}

    def change_row(self, target: Target, change: Change) -> ChangeRow:
        """Return the next row of the plan."""
        loses = loses_rights(change, target.attributes)
        self.lose_rights[target.kind] += loses
        before, after = (entry.to_json() if entry else None for entry in (change.before, change.after))
        self.number += 1
        self.digest.update(
            msgspec.json.encode([self.number, target.kind, change.person_id, change.kind, before, after])
        )
        return ChangeRow(
            number=self.number,
            target=target.kind,
            person_id=change.person_id,
            kind=change.kind.value,
            name=change.name,
            before=before,
            after=after,
            reason=change.reason,
            desired=change.after.digest if change.after else None,
            loses_rights=loses,
        )

    def finding_row(self, target: str, found: Finding) -> FindingRow:
        """Return the next finding of the plan."""
        self.number += 1
        return FindingRow(self.number, target, found.person_id, found.name, found.what)


def make_plan(
    provisioner: Provisioner,
    actor: Actor,
    *,
    scope: Scope = Scope.CHANGED,
    person_ids: Sequence[str] | None = None,
    progress: Progress = lambda _: None,
) -> Run:
    """Return a new plan over the people of a scope, or over some people. Over a limit, it awaits approval.

    Shape:   a target that was never read whole, or not since the rules changed, is read whole in any scope
             people who belong to another run, as they are desired now, are left out
             a target that cannot be read has no part in the plan; nobody is enabled at a stage before it
    Raises:  NotAllowed;
             TargetUnavailable, TargetRejected when a target cannot be read and nothing is to be done in the others;
             Conflict when another plan or run is at work
    Effect:  a stored plan, and the event run.planned; what the targets have is stored, nothing is written to them.
             A plan over everybody tries people again who were given up
    """
    actor.require(Permission.RUNS_PLAN)
    databases, clock = provisioner.databases, provisioner.clock
    with exclusive(databases, LOCK):
        refuse_while_running(provisioner)
        draft = Draft(new_id())
        with databases.identity.write() as connection:
            runs.begin_plan(connection, draft.run_id, clock.now(), actor.actor_id, chunk=provisioner.settings.chunk)
        if person_ids is None:
            if scope is Scope.ALL:  # perhaps the target was repaired for those whom it refused, too
                retry_failed(provisioner, actor.actor_id)
            _plan_scope(provisioner, scope, draft, progress)
        else:
            _plan_people(provisioner, person_ids, draft)
        return seal(provisioner, draft, actor.actor_id)


def people_to_look_at(provisioner: Provisioner, scope: Scope) -> int:
    """Return how many people a plan of this scope would report as progress, about."""
    is_whole = bool(_whole(provisioner, scope, _rules(provisioner)))
    with provisioner.databases.identity.read() as connection:
        return count_people(connection) if is_whole else count_changes(connection)


def refuse_if_unreachable(provisioner: Provisioner) -> None:
    """Return if every target answers: only then "nothing to change" is a fact.

    Raises:  TargetUnavailable
    """
    for target in provisioner.targets.values():
        target.ping()


def _rules(provisioner: Provisioner) -> dict[str, str]:
    return {kind: fingerprint(target, provisioner.people) for kind, target in provisioner.targets.items()}


def _whole(provisioner: Provisioner, scope: Scope, rules: Mapping[str, str]) -> set[str]:
    """Return which targets are to be read whole."""
    with provisioner.databases.identity.read() as connection:
        known = compared_rules(connection)
    return {kind for kind in rules if scope is Scope.ALL or known.get(kind) != rules[kind]}


def _plan_scope(provisioner: Provisioner, scope: Scope, draft: Draft, progress: Progress) -> None:
    rules = _rules(provisioner)
    whole = _whole(provisioner, scope, rules)
    recompute_everybody(provisioner, progress) if whole else recompute_changed(provisioner, progress)
    with provisioner.databases.identity.write() as connection:
        runs.drop_unneeded(connection, provisioner.clock.now())

    def compare(target: Target) -> None:
        if target.kind in whole:
            _compare_whole(provisioner, target, draft)
        else:
            _compare(provisioner, target, draft, _with_work(provisioner, target.kind))

    _compare_each(provisioner, draft, compare)
    seen = {kind: rules[kind] for kind in whole if kind not in draft.unread}
    with provisioner.databases.identity.write() as connection:
        note_rules(connection, seen, provisioner.clock.now())


def _plan_people(provisioner: Provisioner, person_ids: Sequence[str], draft: Draft) -> None:
    ids = sorted(set(person_ids))
    recompute(provisioner, ids)

    def compare(target: Target) -> None:
        _compare(provisioner, target, draft, ((person_id, True) for person_id in ids))

    _compare_each(provisioner, draft, compare)


def seal(provisioner: Provisioner, draft: Draft, actor: str) -> Run:
    """Return the plan that a draft has become: from now on it is what it is.

    Effect:  run.planned, and run.awaiting_approval when it is over a limit or removes people
    """
    at = provisioner.clock.timestamp()
    over = violations_of(provisioner, draft, actor)
    with provisioner.databases.identity.write() as connection:
        waits = bool(over) or (draft.kind is RunKind.REMOVAL and any(part.counts for part in draft.summary.values()))
        summary = draft.summary_with_losses()
        runs.end_plan(connection, draft.run_id, draft.digest.hexdigest(), summary, over, waits=waits)
        counts = {kind: part.counts for kind, part in draft.summary.items()}
        record(
            connection, at, Event(event_types.RUN_PLANNED, subject=draft.run_id, actor=actor, data={"changes": counts})
        )
        if waits:
            why = [asdict(one) for one in over]
            record(
                connection,
                at,
                Event(event_types.RUN_AWAITING_APPROVAL, subject=draft.run_id, actor=actor, data={"over": why}),
            )
        made = runs.load_run(connection, draft.run_id)
    assert made is not None  # written a line above
    return made


def violations_of(provisioner: Provisioner, draft: Draft, actor: str) -> list[LimitViolation]:
    """Return which of today's limits a plan exceeds; it is kept with the plan, whatever the limits are later."""
    found: list[LimitViolation] = []
    since = provisioner.clock.now() - TOGETHER
    with provisioner.databases.identity.read() as connection:
        # What people start, they look at; what nobody looks at counts together.
        done = runs.people_done(connection, draft.run_id, SYSTEM, since) if actor == SYSTEM else {}
        for target, part in draft.summary.items():
            limits = provisioner.settings.limits_of(target)
            # A target that had entries of ours and holds none now was emptied, or is another one.
            is_first = part.population == 0 and not was_filled(connection, target)
            before = done.get(target, {})
            loses = draft.lose_rights[target]
            counts = {**part.counts, **({LOSE_RIGHTS: loses} if loses else {})}
            found += excesses(target, counts, part.population, limits, is_first_load=is_first, before=before)
    return found


# --- compare --------------------------------------------------------------------------------------------------------


def _compare_each(provisioner: Provisioner, draft: Draft, compare: Callable[[Target], None]) -> None:
    """Write each target's part of the plan; of one that cannot be read, that it has none.

    Raises:  TargetUnavailable, TargetRejected when nothing is to be done in the others
    """
    targets = provisioner.targets
    while True:
        try:
            for kind, target in targets.items():
                if kind in draft.unread:
                    _leave(provisioner, target, draft)
                else:
                    compare(target)
            break
        except NotRead as failed:
            # Start again: at the stages before it the plan may enable somebody.
            draft.unread[failed.kind] = failed.error
            draft.begin_anew()
            with provisioner.databases.identity.write() as connection:
                runs.empty_plan(connection, draft.run_id)
    if draft.unread and not any(part.counts for part in draft.summary.values()):
        raise next(iter(draft.unread.values()))


def _leave(provisioner: Provisioner, target: Target, draft: Draft) -> None:
    why = str(draft.unread[target.kind])
    what = f"not planned: {target.kind} could not be read: {why}"
    add_to(provisioner, target, draft, [], [Finding("", "everybody", what[:200])])
    draft.summary[target.kind] = TargetSummary(population_of(provisioner, target), findings=1, unread=why)


@contextmanager
def _reading(target: Target) -> Iterator[None]:
    try:
        yield
    except TargetError as error:
        raise NotRead(target.kind, error) from error


def population_of(provisioner: Provisioner, target: Target) -> int:
    """Return how many entries of ours a target has, as far as we know."""
    with provisioner.databases.identity.read() as connection:
        return count_states(connection).get(target.kind, (0, 0))[0]


def _compare_whole(provisioner: Provisioner, target: Target, draft: Draft) -> None:
    """Write one target's part of the plan, over all that it has."""
    with provisioner.databases.identity.read() as connection:
        observed = Observed(connection, target.kind)
        with _reading(target):
            population = observed.add(digests_in(target))
        doubled = observed.twice()
        _note(provisioner, target, observed, population)
        add_to(provisioner, target, draft, [], [Finding.doubled(person_id) for person_id in doubled])
        differing = (each for each in observed.differing() if each[0] not in doubled)
        _compare(provisioner, target, draft, differing, population, len(doubled))


def _with_work(provisioner: Provisioner, kind: str) -> Iterator[tuple[str, bool]]:
    """Yield people with work in a target; it may have an entry of each of them."""
    return ((one, True) for ids in provisioner.pages(partial(work_after, target=kind)) for one in ids)


def _compare(
    provisioner: Provisioner,
    target: Target,
    draft: Draft,
    differing: Iterable[tuple[str, bool]],
    population: int | None = None,
    findings: int = 0,
) -> None:
    """Write one target's part of the plan, over (person_id, whether the target may have an entry), sorted."""
    counts: Counter[str] = Counter()
    if population is None:
        population = population_of(provisioner, target)
    for everybody in portions(differing):
        with provisioner.databases.identity.read() as connection:
            owned = runs.owners_among(connection, [person_id for person_id, _ in everybody])
        portion = [each for each in everybody if each[0] not in owned]
        changes, found = _plan_some(provisioner, target, draft, portion)
        add_to(provisioner, target, draft, changes, found)
        counts.update(change.kind.value for change in changes)
        findings += len(found)
    draft.summary[target.kind] = TargetSummary(population, dict(counts), findings)


def _note(provisioner: Provisioner, target: Target, observed: Observed, population: int) -> None:
    """Store what the target was seen to have where our records say otherwise."""
    now, kind = provisioner.clock.now(), target.kind
    if population == 0:
        with provisioner.databases.identity.write() as connection:
            note_all_absent(connection, kind, now)
        return
    for pairs in portions(observed.true_unknowingly()):
        with provisioner.databases.identity.write() as connection:
            note_shown(connection, kind, pairs, now)
    for pairs in portions(observed.gone()):
        with provisioner.databases.identity.write() as connection:
            note_absent(connection, kind, (person_id for person_id, _ in pairs), now)
    for pairs in portions(observed.false_unknowingly()):
        with provisioner.databases.identity.write() as connection:
            mark_in_doubt(connection, kind, (person_id for person_id, _ in pairs), now)


def _plan_some(
    provisioner: Provisioner, target: Target, draft: Draft, portion: Sequence[tuple[str, bool]]
) -> tuple[Sequence[Change], Sequence[Finding]]:
    """Return changes and findings over people in whom something may differ.

    Effect:  what the target shows is stored
    """
    ids = [person_id for person_id, _ in portion]
    if not ids:
        return [], []
    computed = recompute_some(provisioner, ids, only=target.kind)
    there = [person_id for person_id, is_there in portion if is_there]
    with _reading(target):
        names = {entry.person_id: entry.name for entry, _ in computed.entries[target.kind]}
        compared = compare_some(computed.entries[target.kind], target.read(there, names) if there else [])
    not_shown = _note_read(provisioner, target, ids, compared)
    is_allowed = may_enable(provisioner, target, draft)
    changes = [one for one in compared.changes if one.person_id not in not_shown and (is_allowed or not one.lets_in)]
    return changes, compared.findings


def _note_read(provisioner: Provisioner, target: Target, ids: Sequence[str], compared: Compared) -> set[str]:
    """Store what a read showed of some people, and return those whose accepted write is not shown in time."""
    now, patience, kind = provisioner.clock.now(), provisioner.settings.patience, target.kind
    settled = {*compared.absent, *(person_id for person_id, _ in compared.shown)}
    with provisioner.databases.identity.read() as connection:
        known = states_among(connection, kind, ids)
    not_shown = {one for one, state in known.items() if state.state is State.ACCEPTED and one not in settled}
    if settled or not_shown or compared.doubled:
        with provisioner.databases.identity.write() as connection:
            note_shown(connection, kind, compared.shown, now)
            note_absent(connection, kind, compared.absent, now)
            count_attempts(connection, kind, ((one, NOT_SHOWN) for one in not_shown), now, patience)
            delay(connection, kind, compared.doubled, "has two entries", now, patience)
    return not_shown


def may_enable(provisioner: Provisioner, target: Target, draft: Draft) -> bool:
    """Return whether people may be enabled in a target: not while one of a later stage cannot be read."""
    order = list(provisioner.targets)
    return all(order.index(kind) <= order.index(target.kind) for kind in draft.unread)


def add_to(
    provisioner: Provisioner, target: Target, draft: Draft, changes: Sequence[Change], findings: Sequence[Finding]
) -> None:
    """Write a portion of a plan."""
    if changes or findings:
        rows = [draft.change_row(target, change) for change in changes]
        found = [draft.finding_row(target.kind, each) for each in findings]
        with provisioner.databases.identity.write() as connection:
            runs.add_to_plan(connection, draft.run_id, rows, found)
