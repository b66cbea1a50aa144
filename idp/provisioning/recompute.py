"""Compute what every target should have of people whose records changed. No target is touched."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from idp.db.locks import wait_for_lock
from idp.people.change_queries import (
    PersonChange,
    changed_after,
    changes_among,
    delete_changes,
    queue_calendar_changes,
    set_aside,
)
from idp.people.queries import people_after
from idp.people.values import Priority
from idp.provisioning.pin_queries import drop
from idp.provisioning.pins import Kept, effective_entry, ended
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import PersonRecords, load_records
from idp.provisioning.run_queries import set_aside_overtaken
from idp.provisioning.state_queries import Desired, compared_rules, make_live, set_desired, states_among
from idp.provisioning.states import Presence
from idp.provisioning.values import Entry

LOCK = "recompute"  # of all who store what is desired, one at a time
PORTION = 500  # people in memory
ASIDE = timedelta(hours=1)  # for a person for whom the rules fail
Progress = Callable[[int], None]
Thing = TypeVar("Thing")
Entries = Mapping[str, Sequence[tuple[Entry, str]]]  # by target, in the order of people: entries and their digests

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """People as their records were when it was stored what is desired of them."""

    people: Sequence[PersonRecords]
    entries: Entries


def recompute_changed(provisioner: Provisioner, progress: Progress = lambda _: None) -> None:
    """Store what is desired of everybody whose records, or whose status by the calendar, changed."""
    queue_calendar(provisioner)
    now = provisioner.clock.now()
    for ids in provisioner.pages(partial(changed_after, now=now)):
        progress(len(recompute_some(provisioner, ids).people))


def recompute_everybody(provisioner: Provisioner, progress: Progress = lambda _: None) -> None:
    """Store what is desired of everybody: the rules or the settings may have changed."""
    for ids in provisioner.pages(people_after):
        progress(len(recompute_some(provisioner, ids).people))


def recompute(provisioner: Provisioner, person_ids: Iterable[str]) -> None:
    """Store what is desired of some people, a portion in memory at a time."""
    for ids in portions(person_ids):
        recompute_some(provisioner, ids)


def queue_calendar(provisioner: Provisioner) -> None:
    """Queue everybody whose status may change today by time alone."""
    with provisioner.databases.identity.write() as connection:
        queue_calendar_changes(connection, provisioner.today())


def recompute_some(provisioner: Provisioner, ids: Sequence[str], only: str | None = None) -> Recomputed:
    """Store what is desired of a portion of people, and return them.

    Shape:   only: this target, unless the records of one of them changed
    Effect:  one transaction, if anything changed. What was read is stored only while the change that was read is still
             the newest one; all others are read again inside the transaction: older records never overwrite newer ones
    """
    with provisioner.databases.identity.read() as connection:
        changes = changes_among(connection, ids)  # before the records: a later cause then has a later change
        people = load_records(connection, ids, provisioner.people, provisioner.today())
    return store(provisioner, ids, people, changes, None if changes else only)


def compute_some(provisioner: Provisioner, ids: Sequence[str], only: str | None = None) -> Recomputed:
    """Return what is desired of a portion of people now. Nothing is stored."""
    with provisioner.databases.identity.read() as connection:
        people = load_records(connection, ids, provisioner.people, provisioner.today())
    return _compute(provisioner, people, only).result


def store(
    provisioner: Provisioner,
    ids: Sequence[str],
    people: Sequence[PersonRecords],
    changes: Mapping[str, PersonChange],
    only: str | None = None,
) -> Recomputed:
    """Store what is desired of people who were read after their changes, as `recompute_some` does."""
    computed = _compute(provisioner, people, only)
    with provisioner.databases.identity.read() as connection:
        news = _news(provisioner, connection, computed, changes)
    if not (news.touched or changes):
        return computed.result
    with provisioner.databases.identity.write() as connection:
        wait_for_lock(connection, LOCK)
        newest = changes_among(connection, ids)
        late = {one for one in news.touched if one not in changes or changes[one] != newest.get(one)}
        if late:
            kept = [seen for seen in people if _id(seen) not in late]
            again = load_records(connection, sorted(late), provisioner.people, provisioner.today())
            changes = {one: change for one, change in newest.items() if one in late or changes.get(one) == change}
            computed = _compute(provisioner, sorted([*kept, *again], key=_id), only)
            news = _news(provisioner, connection, computed, changes)
        _write(provisioner, connection, news, changes)
        if only is None:
            done = ((one, change.change_id) for one, change in changes.items() if one not in computed.failed)
            delete_changes(connection, done)
        set_aside(connection, computed.failed, provisioner.clock.now() + ASIDE)
    return computed.result


@dataclass(frozen=True, slots=True)
class _Computed:
    result: Recomputed
    failed: Sequence[str]  # people for whom the rules raised an error


def _compute(provisioner: Provisioner, people: Sequence[PersonRecords], only: str | None) -> _Computed:
    every = list(provisioner.targets.values())
    targets = every if only is None else [provisioner.targets[only]]
    entries: dict[str, list[tuple[Entry, str]]] = {target.kind: [] for target in targets}
    computed: list[PersonRecords] = []
    failed: list[str] = []
    for seen in people:
        try:
            mine = [effective_entry(seen.snapshot, target, seen.kept, every) for target in targets]
        except Exception:  # one person's odd records must not keep everybody else from being written
            log.exception("the rules failed", person=_id(seen))
            failed.append(_id(seen))
            continue
        computed.append(seen)
        for target, entry in zip(targets, mine, strict=True):
            entries[target.kind].append((entry, entry.digest))
    return _Computed(Recomputed(computed, entries), failed)


@dataclass(slots=True)
class _News:
    """What must be stored of some people."""

    desires: dict[str, list[Desired]] = field(default_factory=dict)  # by target
    ended: list[Kept] = field(default_factory=list)

    @property
    def touched(self) -> set[str]:
        changed = {one.person_id for desires in self.desires.values() for one in desires}
        return changed | {one.person_id for one in self.ended}


def _news(
    provisioner: Provisioner, connection: Connection, computed: _Computed, changes: Mapping[str, PersonChange]
) -> _News:
    news = _News()
    people, entries = computed.result.people, computed.result.entries
    ids = [_id(seen) for seen in people]
    for kind, mine in entries.items():
        known = states_among(connection, kind, ids)
        for entry, digest in mine:
            state, presence = known.get(entry.person_id), Presence.of(entry.only_if_present)
            if state is None or not state.is_desired(digest, presence):
                change = changes.get(entry.person_id)
                priority = change.priority if change else Priority.BULK
                news.desires.setdefault(kind, []).append(Desired(entry.person_id, digest, presence, priority))
    if entries.keys() == provisioner.targets.keys():
        targets = list(provisioner.targets.values())
        news.ended = [kept for seen in people if (kept := ended(seen.snapshot, seen.kept, targets))]
    return news


def _write(provisioner: Provisioner, connection: Connection, news: _News, changes: Mapping[str, PersonChange]) -> None:
    now = provisioner.clock.now()
    compared = compared_rules(connection)
    live = {person_id for person_id, change in changes.items() if change.priority is Priority.LIVE}
    for kind, desires in news.desires.items():
        set_desired(connection, kind, desires, now, was_read=kind in compared)
    for kind in provisioner.targets:  # the records may ask for the same already, in a plan that waits for people
        make_live(connection, kind, live, now)
    changed = {one.person_id for desires in news.desires.values() for one in desires}
    set_aside_overtaken(connection, changed & live, changed - live, now)
    drop(connection, news.ended)


def _id(seen: PersonRecords) -> str:
    return str(seen.snapshot.person_id)


def portions(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    """Yield things some at a time."""
    iterator = iter(things)
    while portion := list(itertools.islice(iterator, PORTION)):
        yield portion
