"""`idp audit`: what happened."""

import sys
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.table import Column, Table

from idp.app.installation import Idp
from idp.audit import words
from idp.audit.reading import latest
from idp.audit.sealing import verify
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json
from idp.sso.identifiers import tell_apart
from idp.store.accounts import find_account


@click.group(cls=Group, invoke_without_command=True)
@click.option("--last", "count", default=50, show_default=True, help="How many of the newest events.")
@click.option("--kind", default="", help="Only this word or family: `sign_in`, `account.claimed`.")
@click.option(
    "--subject", default="", help="Only events about, or done by: an album number, mail, uid, account id, run, file."
)
@json_option
@click.pass_context
def audit(context: click.Context, count: int, kind: str, subject: str, as_json: bool) -> None:
    """Show the newest events: who, what, when, why."""
    if context.invoked_subcommand is None:
        show(count, kind, subject, as_json)


@pass_idp
def show(installation: Idp, count: int, kind: str, subject: str, as_json: bool) -> None:
    """Print the newest events of both databases."""
    _require_known(kind)
    events = latest(installation.databases, count, kind, _subjects(installation, subject))
    if as_json:
        print_json(events)
        return
    zone = ZoneInfo(installation.settings.university.time_zone)
    # On a narrow terminal cells fold and nothing is cut; the word stays in one piece.
    table = Table(Column("when", min_width=10), box=None, header_style="bold")
    table.add_column("what", no_wrap=True, min_width=max((len(event["kind"]) for event in events), default=0))
    for name in ("who", "about", "why", "more"):
        table.add_column(name, overflow="fold")
    for event in events:
        at = datetime.fromtimestamp(event["at"], zone)
        who_why = (event["actor"], event["subject"], event["reason"])
        add_row(table, f"{at:%Y-%m-%d %H:%M:%S}", event["kind"], *who_why, _more(event))
    console().print(table)


def _require_known(kind: str) -> None:
    """Return if there are words that begin so: a misspelt one would look like nothing having happened."""
    known = sorted(word for name, word in vars(words).items() if name.isupper())
    if not any(word.startswith(kind) for word in known):
        families = ", ".join(sorted({word.partition(".")[0] for word in known}))
        raise click.UsageError(f"There is no event {kind}. Families: {families}. All words are in docs/events.md.")


def _subjects(installation: Idp, text: str) -> tuple[str, ...]:
    """Return what events may call the person that `text` names, and `text` itself."""
    people = installation.settings.people
    named = tell_apart(text, people.mail_domain, people.alias_prefix) if text else None
    if named is None:
        return (text,) if text else ()
    with installation.databases.identity.read() as connection:
        account = find_account(connection, named.key, named.value)
    return (text, account.account_id) if account else (text,)


def _more(event: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in event["data"].items())


@audit.command(name="verify")
@json_option
@pass_idp
def check(installation: Idp, as_json: bool) -> None:
    """Recompute the chain of the sealed journal; exit code 1 when it is broken."""
    count, broken = verify(installation.databases)
    if as_json:
        print_json({"checked": count, "broken": broken})
    elif broken is None:
        click.echo(f"{count} sealed events, the chain is whole.")
    else:
        click.secho(f"Broken at event {broken.seq} ({broken.event_id}).", fg="red", err=True)
    sys.exit(0 if broken is None else 1)
