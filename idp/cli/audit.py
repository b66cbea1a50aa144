"""`idp audit`: what happened."""

import json
import sys
from datetime import UTC, datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.audit import event_types
from idp.audit.checkpoints import MOST_BYTES, Fault, parse_checkpoints, sign_head, verify
from idp.audit.reading import latest
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json, when
from idp.people.account_queries import find_account_of_record
from idp.sso.identifiers import tell_apart

NARROW = 160  # columns of a terminal
ID_LENGTH = 32
SENTENCES = {
    Fault.ALTERED: "it was altered, or an event before it was removed.",
    Fault.CUT: "a checkpoint says that it was there; the journal ends before it.",
    Fault.REPLACED: "the chain is whole, but a checkpoint says that another event stood here.",
    Fault.SIGNATURE: "the checkpoint was not signed by the key of this installation.",
}


@click.group(cls=Group, invoke_without_command=True)
@click.option(
    "--last", "count", default=50, show_default=True, type=click.IntRange(min=1), help="How many of the newest events."
)
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
        print_json([{**event, "at": datetime.fromtimestamp(event["at"], UTC)} for event in events])
        return
    zone = ZoneInfo(installation.settings.university.time_zone)
    console().print(_table(events, zone, is_narrow=console().width < NARROW))


def _table(events: list[dict[str, Any]], zone: ZoneInfo, *, is_narrow: bool) -> Table:
    """Return the events, a row each; where there is little room, one below the other what elsewhere stands abreast.

    Nothing is cut: words and ids are what one looks on with.
    """
    table = Table(box=None, header_style="bold")
    if is_narrow:
        # Widths that are given hold: all that is missing is taken from the last column.
        table.add_column("when", width=len("2026-11-23"))
        longest = max((len(event["kind"]) for event in events), default=0)
        table.add_column("what, who, about", width=max(longest, ID_LENGTH), overflow="fold")
        table.add_column("why, more", overflow="fold")
    else:
        for head in ("when", "what", "who", "about"):
            table.add_column(head, no_wrap=True)
        for head in ("why", "more"):
            table.add_column(head, overflow="fold")
    for event in events:
        at = when(datetime.fromtimestamp(event["at"], UTC), zone)
        what = (event["kind"], event["actor"], event["subject"])
        why = (event["reason"], _more(event))
        cells = ["\n".join(filter(None, part)) for part in (what, why)] if is_narrow else [*what, *why]
        add_row(table, at, *cells)
    return table


def _require_known(kind: str) -> None:
    """Return if there are words that begin so: a misspelt one would look like nothing having happened."""
    known = sorted(word for name, word in vars(event_types).items() if name.isupper())
    if not any(word.startswith(kind) for word in known):
        families = ", ".join(sorted({word.partition(".")[0] for word in known}))
        raise click.UsageError(f"There is no event {kind}. Families: {families}.")


def _subjects(installation: Idp, text: str) -> tuple[str, ...]:
    """Return what events may call the person that `text` names, and `text` itself."""
    people = installation.settings.people
    named = tell_apart(text, people.mail_domain, people.alias_prefix) if text else None
    if named is None:
        return (text,) if text else ()
    with installation.databases.identity.read() as connection:
        account = find_account_of_record(connection, named.key, named.value)
    return (text, account.account_id) if account else (text,)


def _more(event: dict[str, Any]) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in event["data"].items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@audit.command()
@pass_idp
def head(installation: Idp) -> None:
    """Print a signed checkpoint of the journal's end: keep it elsewhere, for `idp audit verify --against`."""
    checkpoint = sign_head(installation.databases, installation.keys, installation.clock)
    if checkpoint is None:
        raise click.ClickException("The journal is empty.")
    click.echo(checkpoint.to_line())


@audit.command(name="verify")
@click.option(
    "--against",
    type=click.File(encoding="ascii"),
    help="File with checkpoints that must stand in the journal; - reads standard input.",
)
@json_option
@pass_idp
def check(installation: Idp, against: TextIO | None, as_json: bool) -> None:
    """Check the chain of the sealed journal; exit code 1 when something was changed or cut."""
    checkpoints = parse_checkpoints(against.read(MOST_BYTES + 1)) if against else []
    verdict = verify(installation.databases, installation.keys, checkpoints)
    if as_json:
        broken = {"seq": verdict.seq, "fault": verdict.fault} if verdict.fault else None
        print_json(
            {"checked": verdict.checked, "erased": verdict.erased, "checkpoints": len(checkpoints), "broken": broken}
        )
    elif verdict.fault is None:
        held = f", {len(checkpoints)} checkpoints stand in it" if checkpoints else ""
        click.echo(f"{verdict.checked} sealed events ({verdict.erased} erased): the chain is whole{held}.")
    else:
        click.secho(f"Event {verdict.seq}: {SENTENCES[verdict.fault]}", fg="red", err=True)
    sys.exit(0 if verdict.is_whole else 1)
