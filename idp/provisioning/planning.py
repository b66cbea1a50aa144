"""Make a plan: what would have to be written to each target so that it is as the records ask. Writes to none.

Its cost grows with what changed: only people whose records changed, and those in whom a target is not as desired, are
looked at, unless the rules changed or somebody asks for everybody. What changed in a target behind our back is found
by idp.provisioning.drift, which marks the people before a plan is made.
"""

import hashlib
import itertools
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import Enum, auto
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import SYSTEM, Event, new_id, record
from idp.db.locks import exclusive, wait_for_turn
from idp.errors import TargetError
from idp.people.change_queries import clear_marks, count_dirty, marked_after, marks_among
from idp.people.queries import count_people, due_for_status_review
from idp.provisioning import run_queries as runs
from idp.provisioning.asking import let_go as try_anew
from idp.provisioning.asking import refuse_while_at_work
from idp.provisioning.fingerprint import fingerprint
from idp.provisioning.guard import TOGETHER, excesses
from idp.provisioning.pin_queries import drop
from idp.provisioning.pins import Kept, effective_entry, ended
from idp.provisioning.plan import plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import PersonRecords, load_records, stream_records
from idp.provisioning.run_queries import ChangeRow, FindingRow, Over, Run, TargetSummary
from idp.provisioning.state_queries import (
    Desire,
    Observed,
    absent,
    confirm,
    count_states,
    desire,
    doubt,
    note_rules,
    open_after,
    rules_noted,
    states_among,
    was_filled,
)
from idp.provisioning.target import Target, digests_in
from idp.provisioning.values import Change, Entry, Finding

LOCK = "provisioning"  # one plan or run at a time
REFRESH = "refresh"  # one writer of what is desired at a time
PORTION = 500  # people per portion: what is held in memory
Progress = Callable[[int], None]
Thing = TypeVar("Thing")


class Scope(Enum):
    """Whom a plan looks at."""

    CHANGED = auto()  # whose records changed, and in whom a target is not as desired
    ALL = auto()  # everybody, and all that the targets have


class NotRead(Exception):
    """A target could not be read."""

    def __init__(self, kind: str, error: TargetError) -> None:
        super().__init__(f"{kind} could not be read: {error}")
        self.kind = kind
        self.error = error


class Marks:
    """Many marks in eight bytes each."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._is_sorted = True

    def add(self, marks: Iterable[str]) -> None:
        """Keep some; "" is none."""
        self._numbers.extend(self._number(mark) for mark in marks if mark)
        self._is_sorted = False

    def __contains__(self, mark: str) -> bool:
        if not self._is_sorted:
            self._numbers, self._is_sorted = array("Q", sorted(self._numbers)), True
        number = self._number(mark)
        place = bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    @staticmethod
    def _number(mark: str) -> int:
        return int(mark[:16], 16)


@dataclass(slots=True)
class Draft:
    """A plan in the making: numbers its rows and digests them in order."""

    run_id: str
    besides: Collection[str] = ()  # runs whose people stay in them
    unread: dict[str, TargetError] = field(default_factory=dict)  # by target, why nothing is planned in it
    number: int = 0
    summary: dict[str, TargetSummary] = field(default_factory=dict)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    noted: Marks = field(default_factory=Marks)  # what is desired with these is noted for every target

    def begin_anew(self) -> None:
        """Forget the rows; what was noted stays."""
        self.number, self.summary, self.digest = 0, {}, hashlib.sha256()

    def change_row(self, target: str, change: Change, mark: str) -> ChangeRow:
        """Return the next row of the plan."""
        before, after = (entry.to_json() if entry else None for entry in (change.before, change.after))
        self.number += 1
        self.digest.update(msgspec.json.encode([self.number, target, change.person_id, change.kind, before, after]))
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
        """Return the next finding of the plan."""
        self.number += 1
        return FindingRow(self.number, target, found.person_id, found.name, found.what)


def make_plan(
    provisioner: Provisioner,
    actor: str,
    *,
    scope: Scope = Scope.CHANGED,
    person_ids: Sequence[str] | None = None,
    besides: Collection[str] = (),
    progress: Progress = lambda _: None,
) -> Run:
    """Return a new plan over whom `scope` says, or over some people; one over a limit waits for approval.

    Shape:   a target that was never read whole, or not since the rules changed, is read whole in any scope
             besides: runs; whom one of them has as they are desired now, is left to it
             a target that cannot be read has no part in the plan, and nobody is let in at a door before it
    Raises:  TargetUnavailable, TargetRejected when a target cannot be read and nothing is to be done in the others;
             Conflict when another plan or run is at work
    Effect:  a stored plan, and the event run.planned; what the targets have is noted, nothing is written to them.
             A plan over everybody begins anew with whom a target refused too often
    """
    databases, clock = provisioner.databases, provisioner.clock
    with exclusive(databases, LOCK):
        refuse_while_at_work(provisioner)
        run_id = new_id()
        with databases.identity.write() as connection:
            runs.begin_plan(connection, run_id, clock.now(), actor, chunk=provisioner.settings.chunk)
        draft = Draft(run_id, besides)
        if person_ids is None:
            if scope is Scope.ALL:  # perhaps the target was mended for those whom it refused, too
                try_anew(provisioner, actor)
            _plan_scope(provisioner, scope, draft, progress)
        else:
            _plan_people(provisioner, person_ids, draft, progress)
        return seal(provisioner, draft, actor)


def people_to_look_at(provisioner: Provisioner, scope: Scope) -> int:
    """Return how many people a plan of this scope would report as progress, about."""
    is_whole = bool(_whole(provisioner, scope, _rules(provisioner)))
    with provisioner.databases.identity.read() as connection:
        return count_people(connection) if is_whole else count_dirty(connection)


def _rules(provisioner: Provisioner) -> dict[str, str]:
    return {kind: fingerprint(target, provisioner.people) for kind, target in provisioner.targets.items()}


def _whole(provisioner: Provisioner, scope: Scope, rules: Mapping[str, str]) -> set[str]:
    """Return which targets are to be read whole."""
    with provisioner.databases.identity.read() as connection:
        known = rules_noted(connection)
    return {kind for kind in rules if scope is Scope.ALL or known.get(kind) != rules[kind]}


def _plan_scope(provisioner: Provisioner, scope: Scope, draft: Draft, progress: Progress) -> None:
    rules = _rules(provisioner)
    whole = _whole(provisioner, scope, rules)
    _refresh_everybody(provisioner, draft, progress) if whole else _refresh_marked(provisioner, draft, progress)

    def compare(target: Target) -> None:
        if target.kind in whole:
            _compare_whole(provisioner, target, draft)
        else:
            _compare(provisioner, target, draft, _open_ones(provisioner, target.kind))

    _compare_each(provisioner, draft, compare)
    seen = {kind: rules[kind] for kind in whole if kind not in draft.unread}
    with provisioner.databases.identity.write() as connection:
        note_rules(connection, seen, provisioner.clock.now())


def _plan_people(provisioner: Provisioner, person_ids: Sequence[str], draft: Draft, progress: Progress) -> None:
    ids = sorted(set(person_ids))
    _refresh_people(provisioner, _portions(ids), draft, progress)

    def compare(target: Target) -> None:
        _compare(provisioner, target, draft, ((person_id, True) for person_id in ids))

    _compare_each(provisioner, draft, compare)


def seal(provisioner: Provisioner, draft: Draft, actor: str) -> Run:
    """Return the plan that a draft has become: from now on it is what it is.

    Effect:  run.planned, and run.waiting when it is over a limit
    """
    at = provisioner.clock.timestamp()
    over = _over(provisioner, draft, actor)
    with provisioner.databases.identity.write() as connection:
        runs.end_plan(connection, draft.run_id, draft.digest.hexdigest(), draft.summary, over)
        counts = {kind: part.counts for kind, part in draft.summary.items()}
        record(
            connection, at, Event(event_types.RUN_PLANNED, subject=draft.run_id, actor=actor, data={"changes": counts})
        )
        if over:
            why = [asdict(one) for one in over]
            record(
                connection, at, Event(event_types.RUN_WAITING, subject=draft.run_id, actor=actor, data={"over": why})
            )
        made = runs.load_run(connection, draft.run_id)
    assert made is not None  # written a line above
    return made


def _over(provisioner: Provisioner, draft: Draft, actor: str) -> list[Over]:
    """Return which of today's limits a plan exceeds; it is kept with the plan, whatever the limits are later."""
    found: list[Over] = []
    since = provisioner.clock.now() - TOGETHER
    with provisioner.databases.identity.read() as connection:
        # What people start, they look at; what nobody looks at counts together.
        done = runs.people_done(connection, draft.run_id, SYSTEM, since) if actor == SYSTEM else {}
        for target, part in draft.summary.items():
            limits = provisioner.settings.limits_of(target)
            # A target that had entries of ours and holds none now was emptied, or is another one.
            is_first = part.population == 0 and not was_filled(connection, target)
            before = done.get(target, {})
            found += excesses(target, part.counts, part.population, limits, is_first_load=is_first, before=before)
    return found


# --- desired --------------------------------------------------------------------------------------------------------


def _refresh_everybody(provisioner: Provisioner, draft: Draft, progress: Progress) -> None:
    """Keep what is desired of everybody, where it changed."""
    with provisioner.databases.identity.read() as connection:
        for portion in _portions(stream_records(connection, provisioner.people, provisioner.today())):
            draft.noted.add(refresh_some(provisioner, portion).marks_left)
            progress(len(portion))


def _refresh_marked(provisioner: Provisioner, draft: Draft, progress: Progress) -> None:
    """Keep what is desired of those whose records changed, and of those whom time alone may have changed."""
    due = _pages(provisioner, partial(due_for_status_review, today=provisioner.today()))
    _refresh_people(provisioner, itertools.chain(marked_pages(provisioner), due), draft, progress)


def _refresh_people(provisioner: Provisioner, pages: Iterable[Sequence[str]], draft: Draft, progress: Progress) -> None:
    for ids in pages:
        refreshed = _refresh_page(provisioner, ids)
        draft.noted.add(refreshed.marks_left)
        progress(len(refreshed.seen))


_Wanted = Mapping[str, Sequence[tuple[Entry, str]]]  # by target, in the order of people: entries and their digests


@dataclass(frozen=True, slots=True)
class Refreshed:
    """People by records that stood when it was noted what is desired of them."""

    seen: Sequence[PersonRecords]
    wanted: _Wanted
    waiting: Set[str]  # of whom something is to be written, as far as we know

    @property
    def marks_left(self) -> Iterator[str]:
        """Yield the marks of those of whom something is to be written."""
        return (seen.change_id for seen in self.seen if seen.snapshot.person_id in self.waiting)


def refresh_some(provisioner: Provisioner, portion: Sequence[PersonRecords], only: str | None = None) -> Refreshed:
    """Keep what is desired of these people, and return them; whose records changed since they were read, read again.

    Shape:   only: this target, where what is desired of all others is noted with these marks
    Effect:  a transaction, if anything changed; in all targets, marks on people who need nothing go in it, too; a
             repeat is harmless
    """
    wanted = _wanted(provisioner, portion, only)
    with provisioner.databases.identity.read() as connection:
        found = _judge(provisioner, connection, portion, wanted)
    if found.is_as_known:
        return Refreshed(portion, wanted, found.waiting)
    with provisioner.databases.identity.write() as connection:
        # Somebody slow must not put older records back over newer ones: so one after the other, and by records that
        # stand. On people of newer records there is a mark still, or whoever took it off was here before us.
        wait_for_turn(connection, REFRESH)
        found = _judge(provisioner, connection, portion, wanted)
        if late := _perhaps_late(connection, portion, found.touched):
            fresh = load_records(connection, sorted(late), provisioner.people, provisioner.today())
            kept = [seen for seen in portion if seen.snapshot.person_id not in late]
            portion = sorted([*kept, *fresh], key=lambda seen: seen.snapshot.person_id)
            wanted = _wanted(provisioner, portion)  # in all targets, in any case: the mark is a newer one
            found = _judge(provisioner, connection, portion, wanted)
        for kind, desires in found.changed.items():
            desire(connection, kind, desires)
        clear_marks(connection, found.settled)
        drop(connection, found.left_behind)
    return Refreshed(portion, wanted, found.waiting)


def _wanted(provisioner: Provisioner, portion: Sequence[PersonRecords], only: str | None = None) -> _Wanted:
    targets = provisioner.targets if only is None else {only: provisioner.targets[only]}
    every = list(provisioner.targets.values())
    return {
        kind: [_with_digest(effective_entry(seen.snapshot, target, seen.kept, every)) for seen in portion]
        for kind, target in targets.items()
    }


def _with_digest(entry: Entry) -> tuple[Entry, str]:
    return entry, entry.digest


@dataclass(slots=True)
class _Judged:
    """What is to be noted of some people."""

    changed: dict[str, list[Desire]] = field(default_factory=dict)  # by target
    waiting: set[str] = field(default_factory=set)
    settled: list[tuple[str, str]] = field(default_factory=list)  # (person_id, mark)
    left_behind: list[Kept] = field(default_factory=list)

    @property
    def is_as_known(self) -> bool:
        return not (self.changed or self.settled or self.left_behind)

    @property
    def touched(self) -> set[str]:
        desired = {one.person_id for desires in self.changed.values() for one in desires}
        return desired | {person_id for person_id, _ in self.settled} | {kept.person_id for kept in self.left_behind}


def _judge(
    provisioner: Provisioner, connection: Connection, portion: Sequence[PersonRecords], wanted: _Wanted
) -> _Judged:
    judged = _Judged()
    ids = [seen.snapshot.person_id for seen in portion]
    for kind, entries in wanted.items():
        known = states_among(connection, kind, ids)
        for entry, digest in entries:
            state = known.get(entry.person_id)
            if state is None or (state.desired, state.only_if_present) != (digest, entry.only_if_present):
                one = Desire(entry.person_id, digest, entry.only_if_present)
                judged.changed.setdefault(kind, []).append(one)
            applied = state.applied if state else None
            is_given_up = state is not None and state.quarantined == digest
            if applied != digest and not (applied is None and entry.only_if_present) and not is_given_up:
                judged.waiting.add(entry.person_id)
    if wanted.keys() != provisioner.targets.keys():
        return judged
    marks = ((seen.snapshot.person_id, seen.change_id) for seen in portion)
    judged.settled = [(person_id, mark) for person_id, mark in marks if mark and person_id not in judged.waiting]
    every = list(provisioner.targets.values())
    judged.left_behind = [left for seen in portion if (left := ended(seen.snapshot, seen.kept, every))]
    return judged


def _perhaps_late(connection: Connection, portion: Sequence[PersonRecords], touched: Set[str]) -> set[str]:
    """Return those of some people whose records may be newer: the mark that they had, if any, is another by now."""
    marks = marks_among(connection, sorted(touched))
    mine = ((seen.snapshot.person_id, seen.change_id) for seen in portion)
    return {one for one, mark in mine if one in touched and not (mark and marks.get(one) == mark)}


def refresh_those(provisioner: Provisioner, person_ids: Iterable[str]) -> None:
    """Keep what is desired of many people, a portion in memory at a time."""
    for ids in _portions(person_ids):
        _refresh_page(provisioner, ids)


def _refresh_page(provisioner: Provisioner, ids: Sequence[str]) -> Refreshed:
    with provisioner.databases.identity.read() as connection:
        seen = load_records(connection, ids, provisioner.people, provisioner.today())
    return refresh_some(provisioner, seen)


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
            # Anew, and not on from here: at the doors before it somebody was perhaps to be let in.
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
        _note(provisioner, target, draft, observed)
        for person_id in doubled:
            add_to(provisioner, target, draft, [], [_doubled(person_id)])
        differing = (each for each in observed.differing() if each[0] not in doubled)
        _compare(provisioner, target, draft, differing, population, len(doubled))


def _open_ones(provisioner: Provisioner, kind: str) -> Iterator[tuple[str, bool]]:
    """Yield in whom a target is not as desired, as far as we know; it may have an entry of any of them."""
    return ((person_id, True) for ids in open_pages(provisioner, kind) for person_id in ids)


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
    for everybody in _portions(differing):
        portion = _without_those_left(provisioner, draft, everybody)
        changes, found = _plan_some(provisioner, target, draft, portion)
        add_to(provisioner, target, draft, changes, found)
        counts.update(change.kind.value for change, _ in changes)
        findings += len(found)
    draft.summary[target.kind] = TargetSummary(population, dict(counts), findings)


def _without_those_left(
    provisioner: Provisioner, draft: Draft, portion: Sequence[tuple[str, bool]]
) -> Sequence[tuple[str, bool]]:
    if not draft.besides:
        return portion
    with provisioner.databases.identity.read() as connection:
        left = runs.kept_among(connection, draft.besides, [person_id for person_id, _ in portion])
    return [each for each in portion if each[0] not in left]


def _note(provisioner: Provisioner, target: Target, draft: Draft, observed: Observed) -> None:
    """Keep what the target was seen to have where our records say otherwise."""
    for pairs in _portions(observed.true_unknowingly()):
        with provisioner.databases.identity.write() as connection:
            confirm(connection, target.kind, pairs, draft.run_id, provisioner.clock.now())
    for pairs in _portions(observed.gone()):
        with provisioner.databases.identity.write() as connection:
            absent(connection, target.kind, (person_id for person_id, _ in pairs))
    for pairs in _portions(observed.false_unknowingly()):
        with provisioner.databases.identity.write() as connection:
            doubt(connection, target.kind, (person_id for person_id, _ in pairs))


def _plan_some(
    provisioner: Provisioner, target: Target, draft: Draft, portion: Sequence[tuple[str, bool]]
) -> tuple[list[tuple[Change, str]], list[Finding]]:
    """Return changes, each with its person's mark, and findings over people in whom something may differ.

    Effect:  who is found to be as desired, or to have nothing where nothing is asked, is noted as that
    """
    ids = [person_id for person_id, _ in portion]
    with provisioner.databases.identity.read() as connection:
        seen = load_records(connection, ids, provisioner.people, provisioner.today())
    # A request or an import may have changed them since they were refreshed, and the plan takes the newest mark: what
    # that asks for in targets whose part of the plan is made already is noted, too, before this run can take it off.
    is_noted = all(not each.change_id or each.change_id in draft.noted for each in seen)
    refreshed = refresh_some(provisioner, seen, only=target.kind if is_noted else None)
    marks: dict[str, str] = {each.snapshot.person_id: each.change_id for each in refreshed.seen}
    there = [person_id for person_id, is_there in portion if is_there]
    with _reading(target):
        everything = _sorted_entries(target.read(there)) if there else []
    doubled = _twice(everything)
    wanted = [entry for entry, _ in refreshed.wanted[target.kind] if entry.person_id not in doubled]
    observed = [entry for entry in everything if entry.person_id not in doubled]
    results = [*map(_doubled, doubled), *plan(wanted, observed)]
    made = (each for each in results if isinstance(each, Change))
    if _is_before_unread(provisioner, target, draft):
        made = (each for each in made if not each.lets_in)
    changes = [(each, marks.get(each.person_id, "")) for each in made]
    found = {entry.person_id: entry for entry in observed}
    true = [(entry.person_id, entry.digest) for entry in wanted if found.get(entry.person_id) == entry]
    gone = [entry.person_id for entry in wanted if entry.only_if_present and entry.person_id not in found]
    if true or gone:
        with provisioner.databases.identity.write() as connection:
            confirm(connection, target.kind, true, draft.run_id, provisioner.clock.now())
            absent(connection, target.kind, gone)
    return changes, [each for each in results if isinstance(each, Finding)]


def _is_before_unread(provisioner: Provisioner, target: Target, draft: Draft) -> bool:
    """Return whether behind this door there is one that nobody could look at (idp.provisioning.parts)."""
    order = list(provisioner.targets)
    return any(order.index(kind) > order.index(target.kind) for kind in draft.unread)


def _twice(entries: Iterable[Entry]) -> list[str]:
    """Return people of whom there is more than one entry, sorted."""
    return sorted(person_id for person_id, count in Counter(entry.person_id for entry in entries).items() if count > 1)


def _doubled(person_id: str) -> Finding:
    return Finding(person_id, "", "has two entries with our mark")


def _sorted_entries(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.person_id)


def add_to(
    provisioner: Provisioner,
    target: Target,
    draft: Draft,
    changes: Sequence[tuple[Change, str]],
    findings: Sequence[Finding],
) -> None:
    """Write a portion of a plan: changes, each with its person's mark, and findings."""
    if changes or findings:
        rows = [draft.change_row(target.kind, change, mark) for change, mark in changes]
        found = [draft.finding_row(target.kind, each) for each in findings]
        with provisioner.databases.identity.write() as connection:
            runs.add_to_plan(connection, draft.run_id, rows, found)


def _portions(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    iterator = iter(things)
    while portion := list(itertools.islice(iterator, PORTION)):
        yield portion


def marked_pages(provisioner: Provisioner) -> Iterator[list[str]]:
    """Yield pages of people whose records changed, sorted."""
    return _pages(provisioner, marked_after)


def open_pages(provisioner: Provisioner, kind: str) -> Iterator[list[str]]:
    """Yield pages of people in whom a target is not as desired, as far as we know, sorted."""
    return _pages(provisioner, partial(open_after, target=kind))


def _pages(provisioner: Provisioner, ask: Callable[..., list[str]]) -> Iterator[list[str]]:
    """Yield pages of what `ask` returns after a key. No reading transaction stays open between them."""
    last = ""
    while True:
        with provisioner.databases.identity.read() as connection:
            found = ask(connection, after=last, limit=PORTION)
        if not found:
            return
        last = found[-1]
        yield found
