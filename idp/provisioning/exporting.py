"""What a target should have of everybody, as a stream: for a first fill by the target's own tools."""

from collections.abc import Iterator

from idp.provisioning.pins import effective_entry
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import stream_records
from idp.provisioning.target import Target
from idp.provisioning.values import Entry


def desired_entries(provisioner: Provisioner, target: Target) -> Iterator[Entry | None]:
    """Yield for each person the entry that they should have in a target; None for who needs none."""
    with provisioner.databases.identity.read() as connection:
        for person in stream_records(connection, provisioner.people, provisioner.today()):
            entry = effective_entry(person.snapshot, target, person.kept, provisioner.targets.values())
            yield None if entry.only_if_present else entry
