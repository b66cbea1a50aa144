"""What every step of provisioning is given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from idp.clock import Clock
from idp.db.databases import Databases
from idp.people.merge_queries import Merge
from idp.people.settings import PeopleSettings
from idp.people.snapshot import load_snapshots
from idp.people.status import local_date
from idp.provisioning.pin_queries import kept_among
from idp.provisioning.pins import NOTHING_KEPT, effective_entry
from idp.provisioning.records import PersonRecords
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.target import Target, in_stage_order
from idp.provisioning.values import Entry

PAGE = 1000  # people in memory

Values = ParamSpec("Values")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Provisioner:
    """The store, the targets by kind in the order of their stages, and the rules' settings; idp.app makes it."""

    databases: Databases
    targets: Mapping[str, Target]
    people: PeopleSettings
    settings: ProvisioningSettings
    zone: ZoneInfo  # rights begin and end at the university's midnight
    clock: Clock
    paces: Mapping[str, float] = field(default_factory=dict)  # most writes a second, by target; none: no limit

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", in_stage_order(self.targets.values()))

    def today(self) -> date:
        """Return the university's calendar day."""
        return local_date(self.clock.now(), self.zone)

    def read(
        self,
        query: Callable[Concatenate[Connection, Values], Answer],
        /,
        *values: Values.args,
        **named: Values.kwargs,
    ) -> Answer:
        """Return what a query returns in a reading transaction of its own."""
        with self.databases.identity.read() as connection:
            return query(connection, *values, **named)

    def write(
        self,
        statement: Callable[Concatenate[Connection, Values], Answer],
        /,
        *values: Values.args,
        **named: Values.kwargs,
    ) -> Answer:
        """Return what a statement returns in a writing transaction of its own."""
        with self.databases.identity.write() as connection:
            return statement(connection, *values, **named)

    def pages(self, query: Callable[..., Sequence[str]]) -> Iterator[Sequence[str]]:
        """Yield pages of what a query returns behind a key. No reading transaction stays open between them.

        Shape:   query(connection, after="", limit=1000) returns keys in order
        """
        last = ""
        while keys := self.read(query, after=last, limit=PAGE):
            last = keys[-1]
            yield keys

    def load(
        self, connection: Connection, person_ids: Sequence[str], merges: Sequence[Merge] | None = None
    ) -> list[PersonRecords]:
        """Return those of some people who exist, as they are today, sorted by person_id.

        Shape:   merges: the merges to assume; None: those in force
        """
        kept = kept_among(connection, person_ids)
        snapshots = load_snapshots(connection, person_ids, self.people, self.today(), merges)
        return [PersonRecords(each, kept.get(each.person_id, NOTHING_KEPT)) for each in snapshots]

    def records_of(self, person_ids: Sequence[str]) -> dict[str, PersonRecords]:
        """Return those of some people who exist, as they are today, by person_id."""
        return {each.person_id: each for each in self.read(self.load, person_ids)}

    def effective_entry(self, person: PersonRecords, target: Target) -> Entry:
        """Return what a target must have of a person."""
        return effective_entry(person.snapshot, target, person.kept, self.targets.values())

    def close(self) -> None:
        """Give the targets' connections back."""
        for target in self.targets.values():
            target.close()
