"""Read people for provisioning: a snapshot each, and the pins and overrides."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from idp.people.merge_queries import Merge
from idp.people.settings import PeopleSettings
from idp.people.snapshot import Follower, PersonSnapshot, load_snapshots, stream_snapshots
from idp.provisioning.pin_queries import kept_among, stream_overrides, stream_pins
from idp.provisioning.pins import NOTHING_KEPT, Kept, Override, Pin


@dataclass(frozen=True, slots=True)
class PersonRecords:
    """A person's snapshot, and what provisioning keeps beside it."""

    snapshot: PersonSnapshot
    kept: Kept = NOTHING_KEPT  # values that targets keep although the records ask for others

    @property
    def person_id(self) -> str:
        """Whose records they are."""
        return self.snapshot.person_id


def load_records(
    connection: Connection,
    person_ids: Sequence[str],
    settings: PeopleSettings,
    today: date,
    merges: Sequence[Merge] | None = None,
) -> list[PersonRecords]:
    """Return those of some people who exist, sorted by person_id.

    Shape:   merges: the merges to assume; None: those in force
    """
    kept = kept_among(connection, person_ids)
    return [
        PersonRecords(each, kept.get(each.person_id, NOTHING_KEPT))
        for each in load_snapshots(connection, person_ids, settings, today, merges)
    ]


def stream_records(connection: Connection, settings: PeopleSettings, today: date) -> Iterator[PersonRecords]:
    """Yield everybody sorted by person_id, in constant memory."""
    with (
        closing(stream_pins(connection)) as all_pins,
        closing(stream_overrides(connection)) as all_overrides,
        closing(stream_snapshots(connection, settings, today)) as everybody,
    ):
        pins: Follower[tuple[Pin, ...]] = Follower(all_pins, ())
        overrides: Follower[tuple[Override, ...]] = Follower(all_overrides, ())
        for snapshot in everybody:
            person_id = snapshot.person_id
            kept = Kept(pins.at(person_id), overrides.at(person_id))
            yield PersonRecords(snapshot, kept or NOTHING_KEPT)
