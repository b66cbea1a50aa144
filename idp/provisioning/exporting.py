"""What a target should have of everybody, as a stream: for a first fill by the target's own tools."""

from collections.abc import Iterator

from idp.people.queries import people_after
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.target import Target
from idp.provisioning.values import Entry


def desired_entries(provisioner: Provisioner, target: Target) -> Iterator[Entry | None]:
    """Yield for each person the entry that they should have in a target; None for who needs none."""
    for person_ids in provisioner.pages(people_after):
        for person in provisioner.read(provisioner.load, person_ids):
            entry = provisioner.effective_entry(person, target)
            yield None if entry.only_if_present else entry
