"""Read people for provisioning: a snapshot each, and the pins and overrides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from idp.people.merge_queries import Merge
from idp.people.settings import PeopleSettings
from idp.people.snapshot import PersonSnapshot, load_snapshots
from idp.provisioning.pin_queries import kept_among
from idp.provisioning.pins import NOTHING_KEPT, Kept


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
