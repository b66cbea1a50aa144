"""`idp letters`: what is owed and sent, and the album letters of first-years."""

from datetime import datetime

import click
from rich.table import Column, Table

from idp.app.installation import Idp
from idp.audit.events import shell_actor
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json
from idp.letters.albums import owe_album_letters
from idp.letters.owing import try_again
from idp.letters.queries import GIVEN_UP, OWED, SENT, Letter, count_letters, list_letters
from idp.letters.sending import send_due


@click.group(cls=Group)
def letters() -> None:
    """Letters: written when something happens, sent by the worker."""


@letters.command()
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
@pass_idp
def albums(installation: Idp, dry_run: bool, as_json: bool) -> None:
    """Owe every newcomer the letter with the album number, once. The worker does the same after each import."""
    settings = installation.settings
    done = owe_album_letters(
        installation.databases,
        installation.keys,
        settings.letters,
        installation.clock,
        installation.zone,
        f"{settings.web.base_url}/account/new",
        dry_run=dry_run,
    )
    if as_json:
        print_json({"dry_run": dry_run, "owed": done.owed, "without_usable_address": done.unwritable})
        return
    click.echo(f"{done.owed} album letters {'would be' if dry_run else 'are'} owed.")
    if done.unwritable:
        click.echo(
            f"{len(done.unwritable)} newcomers have an address that no letter can be sent to; --json names them."
        )


@letters.command()
@json_option
@pass_idp
def send(installation: Idp, as_json: bool) -> None:
    """Send what is due now, without waiting for the worker."""
    sent = 0
    while count := send_due(installation.letter_sender):
        sent += count
    with installation.databases.identity.read() as connection:
        counts = count_letters(connection)
    if as_json:
        print_json({"sent_now": sent, **counts})
        return
    click.echo(
        f"{sent} letters sent now; {counts[OWED]} owed, {counts[SENT]} sent and {counts[GIVEN_UP]} given up in all."
    )


@letters.command()
@click.argument("letter_id")
@pass_idp
def again(installation: Idp, letter_id: str) -> None:
    """Try a letter once more that was given up, when what stopped it is mended."""
    with installation.databases.identity.write() as connection:
        try_again(connection, installation.clock, letter_id, shell_actor())
    click.echo("The letter is owed again.")


@letters.command(name="list")
@click.option("--state", type=click.Choice([OWED, SENT, GIVEN_UP]), help="Only these.")
@click.option("--last", "count", default=50, show_default=True, help="How many of the newest.")
@json_option
@pass_idp
def list_all(installation: Idp, state: str | None, count: int, as_json: bool) -> None:
    """Show the newest letters and what stopped them; their texts are not kept."""
    with installation.databases.identity.read() as connection:
        found = list_letters(connection, state, count)
    if as_json:
        print_json([_facts(letter) for letter in found])
        return
    # The id whole, whatever the width of the terminal: `again` wants it.
    whole = Column("letter", no_wrap=True, min_width=32)
    table = Table("owed", "kind", "to", "state", "tries", "why not", whole, box=None, header_style="bold")
    for letter in found:
        owed_at = datetime.fromtimestamp(letter.owed_at, installation.zone)
        add_row(
            table,
            f"{owed_at:%Y-%m-%d %H:%M}",
            letter.kind,
            letter.to_address,
            letter.state,
            str(letter.tries),
            letter.last_error,
            letter.letter_id,
        )
    console().print(table)


def _facts(letter: Letter) -> dict[str, object]:
    return {name: getattr(letter, name) for name in Letter.__slots__ if name != "sealed_data"}
