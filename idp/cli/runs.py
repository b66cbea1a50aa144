"""`idp runs`: what was planned and applied, plan by plan, and the approval of those that are over the limits."""

import csv
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

import click
from rich.table import Column, Table

from idp.app.installation import Idp
from idp.cli.files import private_file
from idp.cli.plans import (
    change_facts,
    print_changes,
    print_findings,
    print_totals,
    print_waiting,
    run_facts,
)
from idp.cli.runs_named import run_named
from idp.cli.support import (
    Group,
    add_row,
    console,
    counted,
    current_actor,
    json_line,
    json_option,
    pass_idp,
    print_json,
    when,
)
from idp.errors import BadCredentials, NotFound
from idp.people.queries import find_by_album, load_people
from idp.people.values import Person, parse_album
from idp.permissions import Actor, Role
from idp.provisioning import run_queries as store
from idp.provisioning import run_steps
from idp.provisioning.approval import Progress, approve, needed_approvals, progress_of, refusal
from idp.provisioning.guard import sentence
from idp.provisioning.runs import ENDS, ChangeRow, Run
from idp.sso.sessions import Browser


@click.group(cls=Group)
def runs() -> None:
    """Plans and what became of them; approval of those that are over the limits."""


@runs.command(name="list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many, the newest first.")
@json_option
@pass_idp
def list_all(installation: Idp, limit: int, as_json: bool) -> None:
    """Show the last plans and runs, the newest first."""
    with installation.databases.identity.read() as connection:
        found = store.last_runs(connection, limit)
    if as_json:
        print_json([run_facts(run) for run in found])
        return
    # Nothing is cut, and a width that is given holds: other commands want the whole number.
    table = Table(Column("run", width=32), "kind, state", "made, by", "changes", box=None, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for run in found:
        number = run.run_id + (f"\nover: {sentence(run.violations)}" if run.violations else "")
        made = f"{_when(run.created_at, installation)}\n{run.created_by}"
        add_row(table, number, f"{run.kind}\n{run.state}", made, f"{run.changes:,}")
    console().print(table if found else "There is no plan yet. Make one with: idp plan")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=0), help="How many people to show.")
@json_option
@pass_idp
def show(installation: Idp, run_id: str, limit: int, as_json: bool) -> None:
    """Show one plan: what it changes, what is over the limits, who approved it, what became of it."""
    run = run_named(installation, run_id)
    with installation.databases.identity.read() as connection:
        changes = store.changes_of(connection, run.run_id, limit=limit)
        findings = store.findings_of(connection, run.run_id, limit=limit)
        people = load_people(connection, [row.person_id for row in changes])
        became = store.count_changes(connection, run.run_id)
        progress = progress_of(connection, run, installation.settings.provisioning)
        waits_because = "" if run.state in ENDS else refusal(connection, run, installation.settings.provisioning)
    if as_json:
        facts = {
            "approvals": progress.given,
            "approvals_needed": progress.needed,
            "became": became,
        }
        print_json({**run_facts(run), **facts, "changes": change_facts(changes, people), "findings": findings})
        return
    print_changes(changes, {person.person_id: person.display_name for person in people})
    print_findings(findings)
    print_totals(run, shown=len(changes))
    _print_facts(installation, run, became, progress)
    if waits_because:
        print_waiting(waits_because)


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@pass_idp
def export(installation: Idp, run_id: str, file: Path, form: str) -> None:
    """Write a whole plan to FILE, a new one that you alone can read (- for the terminal).

    jsonl: a line about the plan with its digest, then a line for each change. csv: a row for each attribute that
    changes, for people. Plans hold personal data: keep the file as you keep the directory.
    """
    run = run_named(installation, run_id)
    write = _export_lines if form == "jsonl" else _export_table
    if str(file) == "-":
        with click.open_file("-", "w", encoding="utf-8") as terminal:
            write(installation, run, terminal)
        return
    with private_file(file) as out:
        write(installation, run, out)
    click.echo(f"{run.changes:,} changes written to {file}.")


@runs.command(name="approve")
@click.argument("run_id", metavar="RUN")
@click.option("--as", "name", required=True, help="Your own sign-in name: what you type at eStudent.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@json_option
@pass_idp
def approve_one(installation: Idp, run_id: str, name: str, password_stdin: bool, as_json: bool) -> None:
    """Say that a plan over the limits is right, and sign in for it.

    You approve exactly the plan that is shown. Operators and administrators may; a plan that removes entries needs two
    people, neither of them the one who started it.
    """
    run = run_named(installation, run_id)
    if not as_json:
        print_totals(run, shown=0)
        click.echo(f"Over the limits: {sentence(run.violations) or 'nothing'}")
        click.echo(f"Digest: {run.digest}")
    approver = _signed_in(installation, name, password_stdin)
    settings = installation.settings.provisioning
    progress = approve(installation.databases, settings, run.run_id, run.digest, approver, installation.clock)
    if as_json:
        print_json(
            {"run_id": run.run_id, "digest": run.digest, "approvals": progress.given, "missing": progress.missing}
        )
        return
    if progress.missing:
        click.echo(f"Approved. {progress.missing} more must approve it: idp runs approve {run.run_id} --as NAME")
    else:
        click.secho(f"Approved. A worker carries it out; without one: idp apply {run.run_id}", fg="green")


@runs.command()
@click.argument("run_id", metavar="RUN")
@pass_idp
def pause(installation: Idp, run_id: str) -> None:
    """Stop a run after the batch that is being written; `idp runs resume` goes on with it."""
    run_id = run_named(installation, run_id).run_id
    run_steps.pause(installation.provisioner, run_id, current_actor())
    click.echo(f"Paused. Go on with: idp runs resume {run_id}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@pass_idp
def resume(installation: Idp, run_id: str) -> None:
    """Go on with a paused run."""
    run_id = run_named(installation, run_id).run_id
    run_steps.resume(installation.provisioner, run_id, current_actor())
    if run_steps.has_worker(installation.provisioner):
        click.echo("Resumed; a worker goes on with it.")
    else:
        click.echo(f"Resumed. No worker lives; go on with: idp apply {run_id}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@pass_idp
def cancel(installation: Idp, run_id: str) -> None:
    """Stop a run for good after the batch that is being written.

    What was written stays, and can be taken back with `idp undo`; the rest is work for the next plan.
    """
    run_id = run_named(installation, run_id).run_id
    run_steps.cancel(installation.provisioner, run_id, current_actor())
    click.echo("Cancelled. What it wrote stays; the next plan has the rest.")


@runs.command()
@click.argument("album", required=False)
@pass_idp
def retry(installation: Idp, album: str | None) -> None:
    """Have people tried again whom a target refused too often: the one with ALBUM, or all."""
    ids: list[str] | None = None
    if album is not None:
        with installation.databases.identity.read() as connection:
            person = find_by_album(connection, parse_album(album))
        if person is None:
            raise NotFound(f"nobody has the album number {album}")
        ids = [person.person_id]
    released = run_steps.retry(installation.provisioner, current_actor(), ids)
    click.echo(f"Tried again: {counted(len(released), 'person', 'people')}." if released else "Nobody was given up.")


def _signed_in(installation: Idp, name: str, password_stdin: bool) -> Actor:
    """Return who has just proved who they are, by the same check as every sign-in, throttle included."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt(f"Password of {name}", hide_input=True, err=True)
    # Nobody solves a CAPTCHA at a terminal; whoever guesses there still waits longer with each failure.
    try:
        account = installation.sign_on.check_password(name, password, Browser(name="idp runs approve"), is_person=True)
    except BadCredentials as refusal:
        # The same words for every reason: who has an account is not said here either.
        raise BadCredentials(
            "this name and password do not belong together, or the account is closed. Give the name and password of"
            " your own staff account, as at eStudent; after several failures the next try has to wait."
        ) from refusal
    role = Role(account.role) if account.role else None
    return Actor(account.account_id, role, account.display_name, ("password",), current_actor().actor_id)


def _changes(installation: Idp, run: Run) -> Iterator[tuple[list[ChangeRow], list[Person]]]:
    """Yield the changes of a run in batches, each with the people whom it is about."""
    last = -1
    while True:
        with installation.databases.identity.read() as connection:
            rows = store.changes_of(connection, run.run_id, after=last)
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
    """A spreadsheet takes what begins so for a formula, and values come from other systems."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


# --- for people -----------------------------------------------------------------------------------------------------


def _print_facts(installation: Idp, run: Run, became: dict[str, int], progress: Progress) -> None:
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
        add_row(table, "changes", ", ".join(f"{count} {state}" for state, count in sorted(became.items())))
    console().print(table)


def _when(at: datetime, installation: Idp) -> str:
    return when(at, installation.zone)
