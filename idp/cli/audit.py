"""`idp audit`: read and check the journal."""

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
from idp.cli.support import Group, add_row, console, counted, json_option, pass_idp, print_json, progress, when
from idp.people.account_queries import find_account_of_record
from idp.sso.identifiers import tell_apart

NARROW = 160  # columns of a terminal
ID_LENGTH = 32
SENTENCES = {
    Fault.ALTERED: "it was changed, or an event before it was removed.",
    Fault.CUT: "a checkpoint names it, but the journal ends before it.",
    Fault.REPLACED: "the chain is intact, but a checkpoint names another event here.",
    Fault.SIGNATURE: "the checkpoint was not signed with a key of this installation.",
}


@click.group(cls=Group, invoke_without_command=True)
@click.option(
    "--last", "count", default=50, show_default=True, type=click.IntRange(min=1), help="How many of the newest events."
)
@click.option("--kind", default="", help="Only this kind or family: `account.claimed`, `sign_in`.")
@click.option("--subject", default="", help="Only events about or by a person, account id, run or file.")
@json_option
@click.pass_context
def audit(context: click.Context, count: int, kind: str, subject: str, as_json: bool) -> None:
    """List the newest events: who, what, when, why."""
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
    if not events:
        of_kind = f" of the kind {kind}" if kind else ""
        about = f" about {subject}" if subject else ""
        click.echo(f"There are no events{of_kind}{about}.")
        return
    zone = ZoneInfo(installation.settings.university.time_zone)
    console().print(_table(events, zone, is_narrow=console().width < NARROW))


def _table(events: list[dict[str, Any]], zone: ZoneInfo, *, is_narrow: bool) -> Table:
    """Return a row for each event. On a narrow terminal some cells stand below each other.

    Nothing is cut: people search on with kinds and ids.
    """
    table = Table(box=None, header_style="bold")
    if is_narrow:
        # These columns keep their width; only the last one gets narrower.
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
    """Return if a kind of event begins so. A misspelt kind would look as if nothing had happened."""
    known = sorted(word for name, word in vars(event_types).items() if name.isupper())
    if not any(word.startswith(kind) for word in known):
        families = ", ".join(sorted({word.partition(".")[0] for word in known}))
        raise click.UsageError(f"There is no kind of event {kind}. Families: {families}.")


def _subjects(installation: Idp, text: str) -> tuple[str, ...]:
    """Return `text`, and the account id of the person that it names."""
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
    """Print a signed checkpoint of the journal's end. Keep it on another machine, for `idp audit verify --against`."""
    checkpoint = sign_head(installation.databases, installation.keys, installation.clock)
    if checkpoint is None:
        raise click.ClickException("The journal is empty.")
    click.echo(checkpoint.to_line())


@audit.command(name="verify")
@click.option(
    "--against",
    type=click.File(encoding="ascii"),
    help="File of checkpoints to compare the journal with (- for standard input).",
)
@json_option
@pass_idp
def check(installation: Idp, against: TextIO | None, as_json: bool) -> None:
    """Check the hash chain of the journal. Exit code 1 when an event was changed or removed."""
    checkpoints = parse_checkpoints(against.read(MOST_BYTES + 1)) if against else []
    with progress("Checking events", total=None) as advance:
        verdict = verify(installation.databases, installation.keys, checkpoints, advance)
    if as_json:
        broken = {"sequence_number": verdict.seq, "fault": verdict.fault} if verdict.fault else None
        print_json(
            {"checked": verdict.checked, "erased": verdict.erased, "checkpoints": len(checkpoints), "broken": broken}
        )
    elif verdict.fault is None:
        matches = f" and matches {counted(len(checkpoints), 'checkpoint', 'checkpoints')}" if checkpoints else ""
        events = counted(verdict.checked, "sealed event", "sealed events")
        click.echo(f"{events} ({verdict.erased:,} erased): the chain is intact{matches}.")
    else:
        click.secho(f"Event {verdict.seq}: {SENTENCES[verdict.fault]}", fg="red", err=True)
    sys.exit(0 if verdict.is_whole else 1)
