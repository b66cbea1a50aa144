"""A person as provisioning reads one: the snapshot, and the pins and overrides."""

from dataclasses import dataclass

from idp.people.snapshot import PersonSnapshot
from idp.provisioning.pins import NOTHING_KEPT, Kept


@dataclass(frozen=True, slots=True)
class PersonRecords:
    """A person's snapshot, and what provisioning keeps beside it. `Provisioner.load` reads it."""

    snapshot: PersonSnapshot
    kept: Kept = NOTHING_KEPT  # values that targets keep although the records ask for others

    @property
    def person_id(self) -> str:
        """Whose records they are."""
        return self.snapshot.person_id
