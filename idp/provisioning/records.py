"""Read people for provisioning: a snapshot each, the change that made us look, and the values held in targets."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from idp.people.change_queries import marks_among, stream_marks
from idp.people.merge_queries import Merge
from idp.people.settings import PeopleSettings
from idp.people.snapshot import Follower, PersonSnapshot, load_snapshots, stream_snapshots
from idp.provisioning.held_queries import Held, held_among, stream_held


@dataclass(frozen=True, slots=True)
class PersonRecords:
    """A person's snapshot, and what provisioning keeps beside it."""

    snapshot: PersonSnapshot
    change_id: str  # of the latest change before the snapshot was read; "": none waits
    held: tuple[Held, ...] = ()  # values that stay in targets although the records ask for others


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
    # The change first: a cause that comes between the two reads then has a later change_id, which stays.
    changes = marks_among(connection, person_ids)
    held = held_among(connection, person_ids)
    return [
        PersonRecords(each, changes.get(each.person_id, ""), held.get(each.person_id, ()))
        for each in load_snapshots(connection, person_ids, settings, today, merges)
    ]


def stream_records(connection: Connection, settings: PeopleSettings, today: date) -> Iterator[PersonRecords]:
    """Yield everybody sorted by person_id, in constant memory."""
    with (
        closing(stream_marks(connection)) as all_changes,
        closing(stream_held(connection)) as all_held,
        closing(stream_snapshots(connection, settings, today)) as everybody,
    ):
        changes = Follower(all_changes, "")  # before all else, as above
        held: Follower[tuple[Held, ...]] = Follower(all_held, ())
        for snapshot in everybody:
            person_id = snapshot.person_id
            yield PersonRecords(snapshot, changes.at(person_id), held.at(person_id))
