"""`idp letters`: list, send and retry letters; queue album letters."""

from datetime import UTC, datetime

import click
from rich.table import Column, Table

from idp.app.installation import Idp
from idp.cli.support import (
    Group,
    add_row,
    console,
    counted,
    current_actor,
    json_option,
    pass_idp,
    print_json,
    progress,
    when,
)
from idp.db.outbox import Message, MessageState
from idp.letters.albums import queue_album_letters
from idp.letters.outgoing import count_letters, newest_letters, retry_letter
from idp.letters.sending import send_due


@click.group(cls=Group)
def letters() -> None:
    """List, send and retry letters. The worker sends them by itself."""


@letters.command()
@click.option("--dry-run", is_flag=True, help="Only count. Nothing is queued.")
@json_option
@pass_idp
def albums(installation: Idp, dry_run: bool, as_json: bool) -> None:
    """Queue the letter with the album number for each new student, once. The worker does so after each import."""
    settings = installation.settings
    done = queue_album_letters(
        installation.databases,
        installation.keys,
        settings.letters,
        installation.clock,
        installation.zone,
        f"{settings.web.base_url}/account/new",
        current_actor(),
        dry_run=dry_run,
    )
    if as_json:
        print_json({"dry_run": dry_run, "queued": done.queued, "without_usable_address": done.unwritable})
        return
    verb = "would be" if dry_run else "was" if done.queued == 1 else "were"
    click.echo(f"{counted(done.queued, 'letter', 'letters')} {verb} queued.")
    if done.unwritable:
        people = counted(len(done.unwritable), "new student has", "new students have")
        click.echo(f"{people} no usable address. List them with: idp letters albums --dry-run --json")


@letters.command()
@json_option
@pass_idp
def send(installation: Idp, as_json: bool) -> None:
    """Send letters that are due, without waiting for the worker."""
    sent = 0
    with progress("Sending", total=None) as advance:
        while count := send_due(installation.letter_sender, current_actor()):
            sent += count
            advance(count)
    with installation.databases.identity.read() as connection:
        counts = count_letters(connection)
    if as_json:
        print_json({"sent_now": sent, **counts})
        return
    totals = f"{counts['pending']:,} pending, {counts['sent']:,} sent, {counts['dead']:,} dead"
    click.echo(f"{counted(sent, 'letter', 'letters')} sent now. In total: {totals}.")


@letters.command()
@click.argument("letter_id")
@pass_idp
def retry(installation: Idp, letter_id: str) -> None:
    """Send a dead letter again. Repair first what stopped it."""
    with installation.databases.identity.write() as connection:
        retry_letter(connection, installation.clock, letter_id, current_actor())
    click.echo("The letter is pending again.")


@letters.command(name="list")
@click.option("--state", type=click.Choice([state.value for state in MessageState]), help="Only letters in this state.")
@click.option(
    "--last", "count", default=50, show_default=True, type=click.IntRange(min=1), help="How many of the newest."
)
@json_option
@pass_idp
def list_all(installation: Idp, state: str | None, count: int, as_json: bool) -> None:
    """List the newest letters and what stopped them. Their texts are not kept."""
    with installation.databases.identity.read() as connection:
        found = newest_letters(connection, MessageState(state) if state else None, count)
    if as_json:
        print_json([_facts(letter) for letter in found])
        return
    if not found:
        click.echo("No letters.")
        return
    # The whole id, whatever the width of the terminal: `retry` needs it.
    whole = Column("letter", no_wrap=True, min_width=32)
    table = Table("queued", "kind", "to", "state", "attempts", "error", whole, box=None, header_style="bold")
    for letter in found:
        queued_at = datetime.fromtimestamp(letter.created_at, UTC)
        add_row(
            table,
            when(queued_at, installation.zone),
            letter.topic,
            letter.destination,
            letter.state.value,
            str(letter.attempts),
            letter.last_error,
            letter.message_id,
        )
    console().print(table)


def _facts(letter: Message) -> dict[str, object]:
    return {
        "letter_id": letter.message_id,
        "kind": letter.topic,
        "person_id": letter.subject,
        "to": letter.destination,
        "state": letter.state,
        "attempts": letter.attempts,
        "next_attempt_at": _time(letter.next_attempt_at),
        "last_error": letter.last_error,
        "queued_at": _time(letter.created_at),
        "settled_at": _time(letter.settled_at),
    }


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
