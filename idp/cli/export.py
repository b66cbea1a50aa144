"""`idp export`: write a target's desired entries, for the target's own tools."""

from pathlib import Path

import click

from idp.app.installation import Idp
from idp.cli.files import private_file
from idp.cli.support import Group, counted, pass_idp, progress
from idp.errors import NotFound
from idp.people.queries import count_people
from idp.provisioning.exporting import desired_entries
from idp.provisioning.target import WritesLdif


@click.group(cls=Group)
def export() -> None:
    """Write the desired entries of a target, for the target's own tools."""


@export.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_idp
def ldif(installation: Idp, file: Path) -> None:
    """Write all desired directory entries to FILE, for a first load with slapadd.

    The file has no passwords. Load it into an empty directory whose server is stopped: slapadd -q -n 1 -l FILE. Then
    `idp plan` finds nothing to change.
    """
    targets = installation.provisioner.targets.values()
    target = next((target for target in targets if isinstance(target, WritesLdif)), None)
    if target is None:
        raise NotFound("no target in the settings loads LDIF")
    with installation.databases.identity.read() as connection:
        total = count_people(connection)
    count = 0
    with private_file(file) as out, progress("Writing", total=total) as advance:
        for entry in desired_entries(installation.provisioner, target):
            if entry is not None:
                out.write(target.ldif(entry))
                count += 1
            advance(1)
    click.echo(f"{counted(count, 'entry', 'entries')} written to {file}.")
