"""`idp keys`: list and rotate keys."""

import click

from idp.app.installation import Idp
from idp.app.settings import load_settings
from idp.audit import key_rotation
from idp.cli.support import Group, current_actor, json_option, pass_idp, print_json
from idp.keys.key_files import FOR_EVER, Purpose, load_keys


@click.group(cls=Group)
def keys() -> None:
    """List and rotate the installation's keys."""


@keys.command(name="list")
@json_option
def show(as_json: bool) -> None:
    """List the ids of each purpose's keys, the newest first. Secrets are never shown."""
    found = load_keys(load_settings().keys)
    ids = {purpose.value: [key.key_id for key in found.all_of(purpose)] for purpose in Purpose}
    if as_json:
        print_json(ids)
        return
    for purpose, of_purpose in ids.items():
        click.echo(f"{purpose:10} {' '.join(of_purpose)}")


@keys.command()
@click.argument("purposes", nargs=-1, type=click.Choice([one.value for one in Purpose if one not in FOR_EVER]))
@pass_idp
def rotate(installation: Idp, purposes: tuple[str, ...]) -> None:
    """Add a new key for these PURPOSES, or for all that rotate.

    Older keys stay, and still open what they sealed. The keys for matching people and for pairwise names never change.
    """
    wanted = [Purpose(name) for name in purposes] or [one for one in Purpose if one not in FOR_EVER]
    folder = installation.settings.keys
    for file in key_rotation.rotate(installation.databases, folder, wanted, installation.clock, current_actor()):
        click.echo(f"made {file}: keep a copy apart from the database's backup")
    click.echo("Restart `idp serve` and the workers. Then new values use the new keys.")
