"""`idp runs`: list, show, export, approve and control plans and runs."""

import csv
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import click
from rich.table import Column, Table

from idp.app.installation import Idp
from idp.cli.files import private_file
from idp.cli.plans import (
    change_facts,
    print_changes,
    print_findings,
    print_needs_approval,
    print_totals,
    run_facts,
)
from idp.cli.runs_named import run_named
from idp.cli.support import (
    Group,
    add_row,
    console,
    counted,
    counted_people,
    current_actor,
    json_line,
    json_option,
    pass_idp,
    print_json,
    when,
)
from idp.errors import BadCredentials, Conflict, NotFound
from idp.people.queries import find_by_album, load_people
from idp.people.values import Person, parse_album
from idp.permissions import Actor, Role
from idp.provisioning import run_queries, run_steps
from idp.provisioning.approval import Progress, approve, needed_approvals, progress_of, refusal
from idp.provisioning.guard import sentence
from idp.provisioning.run import ENDS, ChangeRow, Run, RunState
from idp.sso.sessions import Browser

MOMENT = len("2026-11-30 13:00:00+01:00")
WIDE_LIST = 140  # columns that a list of runs needs to have each run in one line


@click.group(cls=Group)
def runs() -> None:
    """List, show, approve and control plans and runs. RUN is a number, or enough of its beginning."""


@runs.command(name="list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many of the newest.")
@json_option
@pass_idp
def list_all(installation: Idp, limit: int, as_json: bool) -> None:
    """List the newest plans and runs, the newest first."""
    with installation.databases.identity.read() as connection:
        found = run_queries.last_runs(connection, limit)
    if as_json:
        print_json([run_facts(run) for run in found])
        return
    if not found:
        click.echo("There is no plan yet. Make one with: idp plan")
        return
    console().print(runs_table(found, installation.zone, is_narrow=console().width < WIDE_LIST))


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=0), help="How many changes to show.")
@json_option
@pass_idp
def show(installation: Idp, run_id: str, limit: int, as_json: bool) -> None:
    """Show a plan: its changes, the limits that it exceeds, its approvals and its state."""
    run = run_named(installation, run_id)
    with installation.databases.identity.read() as connection:
        changes = run_queries.changes_of(connection, run.run_id, limit=limit)
        findings = run_queries.findings_of(connection, run.run_id, limit=limit)
        people = load_people(connection, [row.person_id for row in changes])
        by_state = run_queries.count_changes(connection, run.run_id)
        progress = progress_of(connection, run, installation.settings.provisioning)
        settings = installation.settings.provisioning
        needs_approval = "" if run.state in ENDS else refusal(connection, run, settings, is_shown=True)
    if as_json:
        facts = {
            "approvals": progress.given,
            "approvals_needed": progress.needed,
            "changes_by_state": by_state,
        }
        print_json({**run_facts(run), **facts, "changes": change_facts(changes, people), "findings": findings})
        return
    print_changes(changes, {person.person_id: person.display_name for person in people})
    print_findings(findings)
    print_totals(run, shown=len(changes))
    _print_facts(installation, run, by_state, progress)
    if needs_approval:
        print_needs_approval(needs_approval)


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@pass_idp
def export(installation: Idp, run_id: str, file: Path, form: str) -> None:
    """Write a whole plan to FILE, which must not exist and which only you can read (- for the terminal).

    jsonl: a line about the plan with its digest, then a line for each change. csv: a row for each changed attribute.
    Plans hold personal data: protect the file as you protect the directory.
    """
    run = run_named(installation, run_id)
    write = _export_lines if form == "jsonl" else _export_table
    if str(file) == "-":
        with click.open_file("-", "w", encoding="utf-8") as terminal:
            write(installation, run, terminal)
        return
    with private_file(file) as out:
        write(installation, run, out)
    click.echo(f"{counted(run.changes, 'change', 'changes')} written to {file}.")


@runs.command(name="approve")
@click.argument("run_id", metavar="RUN")
@click.option("--as", "name", required=True, help="Mail address or uid of your own staff account.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@json_option
@pass_idp
def approve_one(installation: Idp, run_id: str, name: str, password_stdin: bool, as_json: bool) -> None:
    """Approve a plan that exceeds a limit, and sign in to do so.

    You approve exactly the plan that is shown. Operators and administrators may approve. A plan that removes entries
    needs two people, and the person who made it may not be one of them.
    """
    run = run_named(installation, run_id)
    if run.state is not RunState.AWAITING_APPROVAL:
        raise Conflict(f"run {run.run_id} does not await approval: it is {run.state}")
    if not as_json:
        print_totals(run, shown=0)
        click.echo(f"Over the limits: {sentence(run.violations) or 'none; a removal needs approval anyway'}")
        click.echo(f"Digest: {run.digest}")
    approver = _signed_in(installation, name, password_stdin)
    settings = installation.settings.provisioning
    progress = approve(installation.databases, settings, run.run_id, run.digest, approver, installation.clock)
    if as_json:
        print_json(
            {
                "run_id": run.run_id,
                "digest": run.digest,
                "approvals": progress.given,
                "approvals_missing": progress.missing,
            }
        )
        return
    if progress.missing:
        more = "1 more person" if progress.missing == 1 else f"{progress.missing} more people"
        click.echo(f"Approved. {more} must approve it: idp runs approve {run.run_id} --as NAME")
    else:
        click.secho(f"Approved. A worker applies it. Without a worker: idp apply {run.run_id}", fg="green")


@runs.command()
@click.argument("run_id", metavar="RUN")
@pass_idp
def pause(installation: Idp, run_id: str) -> None:
    """Pause a run after the current batch. Continue with: idp runs resume"""
    run_id = run_named(installation, run_id).run_id
    run_steps.pause(installation.provisioner, run_id, current_actor())
    click.echo(f"Paused. Continue with: idp runs resume {run_id}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@pass_idp
def resume(installation: Idp, run_id: str) -> None:
    """Continue a paused run."""
    run_id = run_named(installation, run_id).run_id
    run_steps.resume(installation.provisioner, run_id, current_actor())
    if run_steps.has_worker(installation.provisioner):
        click.echo("Resumed. A worker continues it.")
    else:
        click.echo(f"Resumed. No worker is running. Continue with: idp apply {run_id}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@pass_idp
def cancel(installation: Idp, run_id: str) -> None:
    """Stop a run for good after the current batch. It cannot be resumed.

    Changes already written stay. Take them back with `idp undo`. The next plan contains the rest.
    """
    run = run_named(installation, run_id)
    run_steps.cancel(installation.provisioner, run.run_id, current_actor())
    if run.started_at is None:
        click.echo("Cancelled. Nothing was written. The next plan contains its changes if they are still needed.")
    else:
        click.echo("Cancelled. The next plan contains the rest.")
        click.echo(f"Changes already written stay. Take them back with: idp undo {run.run_id}")


@runs.command()
@click.argument("album", required=False)
@pass_idp
def retry(installation: Idp, album: str | None) -> None:
    """Try people again whom a target refused too often: the student with ALBUM, or everybody."""
    ids: list[str] | None = None
    if album is not None:
        with installation.databases.identity.read() as connection:
            person = find_by_album(connection, parse_album(album))
        if person is None:
            raise NotFound(f"nobody has the album number {album}. Search by name with: idp people find NAME")
        ids = [person.person_id]
    released = run_steps.retry(installation.provisioner, current_actor(), ids)
    click.echo(f"{counted_people(len(released))} will be tried again." if released else "Nobody was given up.")


def _signed_in(installation: Idp, name: str, password_stdin: bool) -> Actor:
    """Return the staff member who signs in here, by the same check as every sign-in, with its throttle."""
    if password_stdin or not sys.stdin.isatty():  # a prompt that hides the password needs a terminal
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt(f"Password of {name}", hide_input=True, err=True)
    # A terminal cannot show a CAPTCHA. The wait after each failure applies here too.
    try:
        account = installation.sign_on.check_password(name, password, Browser(name="idp runs approve"), is_person=True)
    except BadCredentials as refusal:
        # The same words for every reason, so that nobody learns here who has an account.
        raise BadCredentials(
            "incorrect name or password, or the account is disabled. Use the name and password of your own staff"
            " account, as at eStudent. After several failures you must wait before the next attempt."
        ) from refusal
    role = Role(account.role) if account.role else None
    return Actor(account.account_id, role, account.display_name, ("password",), current_actor().actor_id)


def _changes(installation: Idp, run: Run) -> Iterator[tuple[list[ChangeRow], list[Person]]]:
    """Yield the changes of a run in batches, each with the people whom it is about."""
    last = -1
    while True:
        with installation.databases.identity.read() as connection:
            rows = run_queries.changes_of(connection, run.run_id, after=last)
            people = load_people(connection, [row.person_id for row in rows])
        if not rows:
            return
        yield rows, people
        last = rows[-1].number


# --- export ---------------------------------------------------------------------------------------------------------


def _export_lines(installation: Idp, run: Run, out: IO[str]) -> None:
    out.write(json_line(run_facts(run)))
    for rows, people in _changes(installation, run):
        for change in change_facts(rows, people):
            out.write(json_line(change))


def _export_table(installation: Idp, run: Run, out: IO[str]) -> None:
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(
        [
            "number",
            "target",
            "kind",
            "name",
            "person_id",
            "album",
            "os_id",
            "attribute",
            "before",
            "after",
            "reason",
            "state",
        ]
    )
    for rows, people in _changes(installation, run):
        for change in change_facts(rows, people):
            who = [change["person_id"], change["album"] or "", change["os_id"] or ""]
            for attribute, values in change["attributes"].items():
                sides = ["|".join(values["before"]), "|".join(values["after"])]
                cells = [change["target"], change["kind"], change["name"], *who, attribute, *sides]
                writer.writerow([change["number"], *map(_cell, [*cells, change["reason"], change["state"]])])


def _cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: values come from other systems."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


# --- for people -----------------------------------------------------------------------------------------------------


def runs_table(found: Sequence[Run], zone: ZoneInfo, *, is_narrow: bool) -> Table:
    """Return a row for each run; on a narrow terminal some cells stand below each other.

    Nothing is cut, and the first column keeps its width: other commands need the whole number.
    """
    heads = ("kind, state", "made, by", "changes") if is_narrow else ("kind", "state", "made", "by", "changes", "over")
    table = Table(Column("run", width=32), *heads, box=None, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    table.columns[2].min_width = MOMENT if is_narrow else 0
    for run in found:
        made, over = when(run.created_at, zone), sentence(run.violations)
        if is_narrow:
            number = run.run_id + (f"\nover: {over}" if over else "")
            add_row(table, number, f"{run.kind}\n{run.state}", f"{made}\n{run.created_by}", f"{run.changes:,}")
        else:
            add_row(table, run.run_id, run.kind, run.state, made, run.created_by, f"{run.changes:,}", over)
    return table


def _print_facts(installation: Idp, run: Run, by_state: dict[str, int], progress: Progress) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    add_row(table, "state", f"{run.state}{f': {run.error}' if run.error else ''}")
    add_row(table, "made", f"{_when(run.created_at, installation)} by {run.created_by}")
    add_row(table, "digest", run.digest)
    if run.violations:
        add_row(table, "over", sentence(run.violations))
        given = ", ".join(f"{one.name} ({_when(one.approved_at, installation)})" for one in progress.given) or "nobody"
        needed = needed_approvals(run, installation.settings.provisioning)
        add_row(table, "approved by", f"{given}; {needed} needed")
    if run.started_at is not None:
        add_row(table, "started", _when(run.started_at, installation))
        counts = ", ".join(f"{count:,} {state}" for state, count in sorted(by_state.items())) or "none"
        add_row(table, "changes", counts)
    console().print(table)


def _when(at: datetime, installation: Idp) -> str:
    return when(at, installation.zone)
