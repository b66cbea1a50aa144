"""Compute what every target should have of people whose records changed. No target is touched."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from more_itertools import chunked
from sqlalchemy import Connection

from idp.db.locks import wait_for_lock
from idp.errors import ConfigError
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
from idp.people.view_queries import StoredView, views_among, write_views
from idp.people.views import fingerprint as view_fingerprint
from idp.people.views import view_of
from idp.provisioning.pin_queries import drop
from idp.provisioning.pins import Kept, ended
from idp.provisioning.provisioner import PAGE, Provisioner
from idp.provisioning.records import PersonRecords
from idp.provisioning.run_queries import set_aside_overtaken
from idp.provisioning.state_queries import Desired, compared_rules, desired_among, make_live, set_desired
from idp.provisioning.target_states import Presence
from idp.provisioning.values import Entry

LOCK = "recompute"  # of all who store what is desired, one at a time
ASIDE = timedelta(hours=1)  # for a person for whom the rules fail
ODD_PEOPLE = 50  # at most, for whom the rules may fail because of their records; all of more: the rules are wrong
Progress = Callable[[int], None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """People as their records are, with what is desired of them."""

    people: list[PersonRecords]
    entries: Mapping[str, list[Entry]]  # by target, in the order of people
    failed: list[str] = field(default_factory=list)  # people for whom the rules raised an error


def recompute_changed(provisioner: Provisioner, progress: Progress = lambda _: None) -> list[str]:
    """Store what is desired of everybody whose records, or whose status by the calendar, changed.

    Raises:  ConfigError, as `compute`
    Effect:  returns the people for whom the rules failed
    """
    queue_calendar(provisioner)
    changed = provisioner.pages(partial(changed_after, now=provisioner.clock.now()))
    return _recompute_pages(provisioner, changed, progress)


def recompute_everybody(provisioner: Provisioner, progress: Progress = lambda _: None) -> list[str]:
    """Store what is desired of everybody, as `recompute_changed`: the rules or the settings may have changed."""
    return _recompute_pages(provisioner, provisioner.pages(people_after), progress)


def recompute(provisioner: Provisioner, person_ids: Iterable[str]) -> list[str]:
    """Store what is desired of some people, as `recompute_changed`, a page in memory at a time."""
    return _recompute_pages(provisioner, chunked(person_ids, PAGE))


def _recompute_pages(
    provisioner: Provisioner, pages: Iterable[Sequence[str]], progress: Progress = lambda _: None
) -> list[str]:
    failed: list[str] = []
    for ids in pages:
        computed = recompute_some(provisioner, ids)
        failed += computed.failed
        progress(len(computed.people))
    return failed


def queue_calendar(provisioner: Provisioner) -> None:
    """Queue everybody whose status may change today by time alone."""
    provisioner.write(queue_calendar_changes, provisioner.today())


def recompute_some(provisioner: Provisioner, ids: Sequence[str]) -> Recomputed:
    """Store what is desired of a page of people, and return them.

    Effect:  one transaction, if anything changed. What was read is stored only while the change that was read is still
             the newest one; all others are read again inside the transaction: older records never overwrite newer ones
    """
    with provisioner.databases.identity.read() as connection:
        changes = changes_among(connection, ids)  # before the records: a later cause then has a later change
        people = provisioner.load(connection, ids)
    return store(provisioner, ids, people, changes)


def compute(provisioner: Provisioner, people: Iterable[PersonRecords]) -> Recomputed:
    """Return what is desired of people. Nothing is stored.

    Raises:  ConfigError when the rules fail for everybody, and these are more than fifty people
    """
    computed = Recomputed([], {kind: [] for kind in provisioner.targets})
    for person in people:
        try:
            entries = [provisioner.effective_entry(person, target) for target in provisioner.targets.values()]
        except Exception:  # one person's odd records must not keep everybody else from being written
            # The first tells what is wrong. A stack for each of a thousand people would cost more than the plan.
            log.error("the rules failed", person=person.person_id, exc_info=not computed.failed)
            computed.failed.append(person.person_id)
            continue
        computed.people.append(person)
        for mine, entry in zip(computed.entries.values(), entries, strict=True):
            mine.append(entry)
    if not computed.people and len(computed.failed) > ODD_PEOPLE:
        count, first = len(computed.failed), computed.failed[0]
        raise ConfigError(f"the rules failed for all of {count} people, first {first}; idp's log says why")
    return computed


def store(
    provisioner: Provisioner, ids: Sequence[str], people: Sequence[PersonRecords], changes: Mapping[str, PersonChange]
) -> Recomputed:
    """Store what is desired of people who were read after their changes, as `recompute_some` does."""
    computed = compute(provisioner, people)
    news = provisioner.read(_news, provisioner, computed, changes)
    if not (news.people or changes):
        return computed
    with provisioner.databases.identity.write() as connection:
        wait_for_lock(connection, LOCK)
        newest = changes_among(connection, ids)
        late = {one for one in news.people if one not in changes or changes[one] != newest.get(one)}
        if late:
            again = [person for person in people if person.person_id not in late]
            again += provisioner.load(connection, sorted(late))
            changes = {one: change for one, change in newest.items() if one in late or changes.get(one) == change}
            computed = compute(provisioner, sorted(again, key=lambda person: person.person_id))
            news = _news(connection, provisioner, computed, changes)
        _write(connection, provisioner, news, changes)
        done = ((one, change.change_id) for one, change in changes.items() if one not in computed.failed)
        delete_changes(connection, done)
        aside = ((one, changes[one].change_id) for one in computed.failed if one in changes)
        set_aside(connection, aside, provisioner.clock.now() + ASIDE)
    return computed


@dataclass(frozen=True, slots=True)
class _News:
    """What must be stored of some people."""

    desires: Mapping[str, list[Desired]]  # by target
    ended: list[Kept]
    views: Mapping[str, StoredView | None]  # by person; None: it is deleted

    @property
    def changed(self) -> set[str]:
        """People of whom something else is desired."""
        return {one.person_id for desires in self.desires.values() for one in desires}

    @property
    def people(self) -> set[str]:
        return self.changed | {one.person_id for one in self.ended} | self.views.keys()


def _news(
    connection: Connection, provisioner: Provisioner, computed: Recomputed, changes: Mapping[str, PersonChange]
) -> _News:
    known = desired_among(connection, list(provisioner.targets), [person.person_id for person in computed.people])
    desires: dict[str, list[Desired]] = {kind: [] for kind in computed.entries}
    for kind, entries in computed.entries.items():
        for entry in entries:
            presence = Presence.of(entry.only_if_present)
            if known.get((kind, entry.person_id)) != (entry.digest, presence):
                change = changes.get(entry.person_id)
                priority = change.priority if change else Priority.BULK
                desires[kind].append(Desired(entry.person_id, entry.digest, presence, priority))
    targets = list(provisioner.targets.values())
    kept = [kept for one in computed.people if (kept := ended(one.snapshot, one.kept, targets))]
    return _News(desires, kept, _views(connection, provisioner, computed))


def _views(connection: Connection, provisioner: Provisioner, computed: Recomputed) -> dict[str, StoredView | None]:
    """Return the views of people that differ from the stored ones."""
    fingerprint = view_fingerprint(provisioner.people)
    stored = views_among(connection, [person.person_id for person in computed.people])
    views = {person.person_id: _view(person, fingerprint) for person in computed.people}
    return {person_id: view for person_id, view in views.items() if view != stored.get(person_id)}


def _view(person: PersonRecords, fingerprint: str) -> StoredView | None:
    try:
        return view_of(person.snapshot, fingerprint)
    except Exception:  # one person's odd records: without a view the ticket path asks the rules itself
        log.exception("no view", person=person.person_id)
        return None


def _write(connection: Connection, provisioner: Provisioner, news: _News, changes: Mapping[str, PersonChange]) -> None:
    now = provisioner.clock.now()
    compared = compared_rules(connection)
    live = {person_id for person_id, change in changes.items() if change.priority is Priority.LIVE}
    for kind, desires in news.desires.items():
        set_desired(connection, kind, desires, now, was_read=kind in compared)
        make_live(connection, kind, live, now)  # all: the records may ask for the same as a plan that awaits approval
    set_aside_overtaken(connection, news.changed & live, news.changed - live, now)
    drop(connection, news.ended)
    write_views(connection, news.views.items())
