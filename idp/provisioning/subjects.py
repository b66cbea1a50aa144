"""Read people as the rules want them: one Subject each, sorted by person_id, with the mark that made us look."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import Generic, TypeVar

from sqlalchemy import Connection

from idp.people.address_queries import Addresses, addresses_among, stream_addresses
from idp.people.change_queries import marks_among, stream_marks
from idp.people.hold_queries import on_hold_among, stream_on_hold
from idp.people.lifecycle import MERGED_AWAY, latest_per_programme, standing
from idp.people.merge_queries import Merge, merges_in_force
from idp.people.queries import load_people, stream_people
from idp.people.settings import PeopleSettings
from idp.people.values import Person, PersonId
from idp.provisioning.desired import Subject
from idp.provisioning.held_queries import Held, held_among, stream_held

NONE = Addresses()
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Seen:
    """A person, the mark on them ("" for none) as it was before the records were read, and what is held of them."""

    subject: Subject
    mark: str
    held: tuple[Held, ...] = ()  # values that stay in targets although the records ask for others


def load_subjects(
    connection: Connection,
    person_ids: Sequence[str],
    people: PeopleSettings,
    today: date,
    merges: Sequence[Merge] | None = None,
) -> list[Seen]:
    """Return those of some people who exist, sorted by person_id.

    Shape:   merges: who counts as one with whom; None: as it is in force
    """
    # The mark first: a cause that comes between the two reads then has a later mark, which stays.
    marks = marks_among(connection, person_ids)
    wanted = set(person_ids)
    joined = _Joined.load(connection, [one for one in _merges(connection, merges) if {one.kept, one.merged} & wanted])
    addresses = addresses_among(connection, person_ids)
    held = held_among(connection, person_ids)
    on_hold = on_hold_among(connection, person_ids)
    found = sorted(load_people(connection, person_ids), key=lambda person: person.person_id)
    return [
        Seen(
            joined.subject(person, addresses.get(person.person_id, NONE), people, today, person.person_id in on_hold),
            marks.get(person.person_id, ""),
            held.get(person.person_id, ()),
        )
        for person in found
    ]


def stream_subjects(connection: Connection, people: PeopleSettings, today: date) -> Iterator[Seen]:
    """Yield everybody sorted by person_id, without holding them all."""
    with (
        closing(stream_marks(connection)) as all_marks,
        closing(stream_addresses(connection)) as all_addresses,
        closing(stream_held(connection)) as all_held,
        closing(stream_on_hold(connection)) as all_on_hold,
        closing(stream_people(connection, by="person_id")) as everybody,
    ):
        marks = _Follower(all_marks, "")  # before all else, as above
        joined = _Joined.load(connection, merges_in_force(connection))
        addresses = _Follower(all_addresses, NONE)
        held: _Follower[tuple[Held, ...]] = _Follower(all_held, ())
        on_hold = _Follower(all_on_hold, False)
        for person in everybody:
            mine = addresses.at(person.person_id)
            subject = joined.subject(person, mine, people, today, on_hold.at(person.person_id))
            yield Seen(subject, marks.at(person.person_id), held.at(person.person_id))


def _merges(connection: Connection, merges: Sequence[Merge] | None) -> Sequence[Merge]:
    return merges_in_force(connection) if merges is None else merges


@dataclass(frozen=True, slots=True)
class _Joined:
    """People who are one under two records: what the merged record brings to the one that is kept."""

    merged: frozenset[str]
    brought: Mapping[str, Sequence[Subject]]  # by the kept person

    @classmethod
    def load(cls, connection: Connection, merges: Sequence[Merge]) -> "_Joined":
        if not merges:
            return cls(frozenset(), {})
        ids = [one.merged for one in merges]
        people = {person.person_id: person for person in load_people(connection, ids)}
        addresses = addresses_among(connection, ids)
        on_hold = on_hold_among(connection, ids)
        brought: dict[str, list[Subject]] = {}
        for one in merges:
            if person := people.get(PersonId(one.merged)):
                mine = addresses.get(one.merged, NONE)
                part = Subject(person, MERGED_AWAY, mine, PeopleSettings(), one.merged in on_hold)
                brought.setdefault(one.kept, []).append(part)
        return cls(frozenset(ids), brought)

    def subject(
        self, person: Person, addresses: Addresses, people: PeopleSettings, today: date, is_on_hold: bool
    ) -> Subject:
        """Return what the rules look at: of a merged record nothing that gives rights, of a kept one both together."""
        if person.person_id in self.merged:
            return Subject(person, MERGED_AWAY, NONE, people, is_on_hold)
        for other in self.brought.get(person.person_id, ()):
            person = replace(person, enrolments=latest_per_programme(person.enrolments + other.person.enrolments))
            primary = addresses.primary or other.addresses.primary
            rest = tuple(each for each in other.addresses.all() if each != primary)
            addresses = Addresses(primary, addresses.alias, addresses.former + rest)
            is_on_hold = is_on_hold or other.is_on_hold
        return Subject(person, standing(person.enrolments, today, people.access_policy), addresses, people, is_on_hold)


class _Follower(Generic[Value]):
    """Goes along a sorted stream of (person_id, value) in step with another one."""

    def __init__(self, stream: Iterator[tuple[str, Value]], default: Value) -> None:
        self._stream = stream
        self._default = default
        self._next = next(stream, None)

    def at(self, person_id: str) -> Value:
        """Return this person's value, or the default; ask in ascending order."""
        while self._next is not None and self._next[0] < person_id:
            self._next = next(self._stream, None)
        if self._next is not None and self._next[0] == person_id:
            return self._next[1]
        return self._default
