"""`idp plan`, `idp apply`, `idp status`: what would change in the targets, make it so, where everything stands."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.markup import escape
from rich.table import Table

from idp.app.installation import Idp
from idp.cli.applying import apply_or_follow
from idp.cli.plans import (
    change_facts,
    print_changes,
    print_findings,
    print_totals,
    print_waiting,
    run_facts,
)
from idp.cli.runs_named import run_named
from idp.cli.support import console, counted, current_actor, json_option, pass_idp, print_json, progress, when
from idp.jobs import schedule_queries as schedules
from idp.jobs.status import Status, problems_of
from idp.jobs.status import status as status_of
from idp.people.queries import load_people
from idp.provisioning import run_queries as runs
from idp.provisioning.approval import refusal
from idp.provisioning.drift import find_drift_where_possible
from idp.provisioning.executor import Result
from idp.provisioning.guard import sentence
from idp.provisioning.planning import Scope, make_plan, people_to_look_at, refuse_if_unreachable
from idp.provisioning.removal import make_removal_plan
from idp.provisioning.run_steps import awaiting_runs
from idp.provisioning.runs import ENDS, ChangeRow, ChangeState, Run, RunKind


@click.command()
@click.option("--limit", default=20, show_default=True, help="How many people to show; the plan has them all.")
@click.option("--all", "everybody", is_flag=True, help="Look at everybody, and read all that the targets have.")
@click.option("--removals", is_flag=True, help="Remove entries of people who are closed for long. Needs two approvals.")
@json_option
@pass_idp
def plan(installation: Idp, limit: int, everybody: bool, removals: bool, as_json: bool) -> None:
    """Show what would change in the targets; nothing is written to them. The plan is kept for `idp apply`.

    Only people whose records changed are looked at, and those of whom something must be written.

    People of a plan that awaits approval are left out. Exit code 1 names that plan.
    """
    if removals:
        run = make_removal_plan(installation.provisioner, current_actor())
    else:
        run = _make_plan(installation, Scope.ALL if everybody else Scope.CHANGED)
    with installation.databases.identity.read() as connection:
        changes = runs.changes_of(connection, run.run_id, limit=limit)
        findings = runs.findings_of(connection, run.run_id, limit=limit)
        people = load_people(connection, [row.person_id for row in changes])
        waits_because = refusal(connection, run, installation.settings.provisioning)
    awaiting = [] if waits_because else _awaiting(installation)
    if as_json:
        facts = {"changes": change_facts(changes, people), "findings": findings, "awaiting_approval": awaiting}
        print_json({**run_facts(run), **facts})
        sys.exit(1 if awaiting else 0)
    print_changes(changes, {person.person_id: person.display_name for person in people})
    print_findings(findings)
    print_totals(run, shown=len(changes))
    if waits_because:
        print_waiting(waits_because)
    elif run.changes:
        click.echo(f"Apply exactly this with: idp apply {run.run_id}")
    if awaiting:
        _print_awaiting(awaiting)
        sys.exit(1)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--here", is_flag=True, help="Do it in this process even if a worker lives.")
@json_option
@pass_idp
def apply(installation: Idp, run_id: str | None, here: bool, as_json: bool) -> None:
    """Write a plan to the targets: RUN, or one made now. A run that was cut short goes on where it stopped.

    A live worker does it while this command shows how far it is; without one it is done here. A command that is
    stopped stops only what it does itself.

    People of a plan that awaits approval are left out of a plan made now.

    Exit code 1 when something is left to do or awaits approval, was refused by a target, was found otherwise
    afterwards, or was left as it is by an undo that came too late for it.
    """
    run = _make_plan(installation) if run_id is None else run_named(installation, run_id)
    with installation.databases.identity.read() as connection:
        waits_because = refusal(connection, run, installation.settings.provisioning)
    if waits_because and run.state not in ENDS:
        if as_json:
            print_json({**run_facts(run), "waits_because": waits_because})
        else:
            print_totals(run, shown=0)
            print_waiting(waits_because)
        sys.exit(1)
    if not as_json:
        print_totals(run, shown=0)
    with progress("Writing", total=run.changes) as advance:
        result = apply_or_follow(installation.provisioner, run, current_actor(), advance, here=here)
    failed = _failed(installation, result)
    awaiting = _awaiting(installation) if run_id is None else []
    if as_json:
        with installation.databases.identity.read() as connection:
            people = load_people(connection, [row.person_id for row in failed])
        facts = {"failed": change_facts(failed, people), "awaiting_approval": awaiting}
        print_json({**run_facts(result.run), **_result_facts(result), **facts})
    else:
        _print_result(result, failed)
        _print_awaiting(awaiting)
    if awaiting or not _is_well(result):
        sys.exit(1)


@click.command()
@click.option("--check", is_flag=True, help="Say only what is wrong; exit code 1 when anything is.")
@json_option
@pass_idp
def status(installation: Idp, check: bool, as_json: bool) -> None:
    """Show where everything stands."""
    found = status_of(installation.provisioner)
    wrong = problems_of(found)
    if as_json:
        print_json({**asdict(found), "problems": wrong})
    elif check:
        for problem in wrong:
            click.secho(problem, fg="red")
        if not wrong:
            click.echo("Everything is well.")
    else:
        _print_status(found, ZoneInfo(installation.settings.university.time_zone))
    if check and wrong:
        sys.exit(1)


def _make_plan(installation: Idp, scope: Scope = Scope.CHANGED) -> Run:
    if scope is Scope.CHANGED:
        find_drift_where_possible(installation.provisioner)  # what others changed is part of it
    with progress("Comparing", total=people_to_look_at(installation.provisioner, scope)) as advance:
        run = make_plan(installation.provisioner, current_actor(), scope=scope, progress=advance)
    if not run.changes:
        refuse_if_unreachable(installation.provisioner)
    return run


def _awaiting(installation: Idp) -> list[dict[str, Any]]:
    """Return the plans that await approval, whose people were left out."""
    found = awaiting_runs(installation.provisioner)
    return [{"run_id": run.run_id, "limit_violations": run.violations} for run in found]


def _failed(installation: Idp, result: Result) -> list[ChangeRow]:
    """Return the first changes that did not come out well."""
    states = [
        ChangeState.REJECTED,
        ChangeState.UNVERIFIED,
        ChangeState.OPEN,
        *([ChangeState.SUPERSEDED] if _left_as_they_are(result) else []),
    ]
    with installation.databases.identity.read() as connection:
        return [
            row for state in states for row in runs.changes_of(connection, result.run.run_id, state=state, limit=20)
        ]


def _left_as_they_are(result: Result) -> int:
    """Return how many changes an undo set aside: no plan writes them, since the records do not ask for them."""
    return result.superseded if result.run.kind == RunKind.UNDO else 0


def _is_well(result: Result) -> bool:
    return result.is_complete and not _left_as_they_are(result)


# --- as JSON --------------------------------------------------------------------------------------------------------


def _result_facts(result: Result) -> dict[str, Any]:
    return {
        "done": result.done,
        "left": result.left,
        "rejected": result.rejected,
        "unverified": result.unverified,
        "left_to_next_plan": result.superseded - _left_as_they_are(result),
        "left_as_they_are": _left_as_they_are(result),
        "complete": _is_well(result),
    }


# --- for people -----------------------------------------------------------------------------------------------------


def _print_result(result: Result, failed: Sequence[ChangeRow]) -> None:
    parts = [f"{result.done} written and checked"]
    parts += [f"{result.left} left"] if result.left else []
    parts += [f"{result.rejected} refused by the target"] if result.rejected else []
    parts += [f"{result.unverified} found otherwise afterwards"] if result.unverified else []
    if as_they_are := _left_as_they_are(result):
        parts.append(f"{as_they_are} left as they are, since this undo came too late for them")
    elif result.superseded:
        parts.append(f"{result.superseded} not made: so already, or their records changed and the next plan has them")
    click.secho(", ".join(parts) + ".", fg="green" if _is_well(result) else "yellow")
    for row in failed:
        click.echo(f"  {row.target} {row.kind} {row.name}: {row.error or 'not tried yet'}")
    if result.left:
        click.echo(f"A worker goes on by itself; without one: idp apply {result.run.run_id}")


def _print_awaiting(awaiting: Sequence[Mapping[str, Any]]) -> None:
    for one in awaiting:
        run_id = one["run_id"]
        why = sentence(one["limit_violations"])
        text = f"run {run_id} awaits approval: {why}. Its people were left out: idp runs show {run_id}"
        click.secho(text, fg="yellow", err=True)


def _print_status(found: Status, zone: ZoneInfo) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_row("people", _counts(found.people) or "none yet: idp registry import FILE")
    claimed = f"{found.students_claimed} of {found.students_accounts} students, {found.staff_accounts} staff"
    table.add_row("accounts claimed", claimed)
    table.add_row("last import", _last_import(found, zone))
    if found.quarantined:
        table.add_row("quarantine", f"{found.quarantined} rows: idp registry quarantine")
    table.add_row("last run", _last_run(found, zone))
    for plan_ in found.plans_waiting:
        needs = f"{plan_.missing} must approve it, or drop it: idp runs show {plan_.run_id}"
        table.add_row("[red]waits[/]", f"{when(plan_.created_at, zone)}, {escape(plan_.over)}; {needs}")
    for name, last in found.schedules.items():
        if last.is_delayed or last.state == schedules.FAILED:
            became = "[yellow]put off[/], tried again by a worker" if last.is_delayed else "[red]failed[/]"
            table.add_row(name, f"{became}, {when(last.due_at, zone)}: {escape(last.note)}")
    for kind, target in found.targets.items():
        answers = "[green]answers[/]" if target.is_reachable else f"[red]does not answer[/]: {escape(target.error)}"
        given_up = f", {target.given_up} refused too often: idp runs retry" if target.given_up else ""
        ill = f"; failed {target.failures} times in a row: {escape(target.error)}" if target.failures else ""
        table.add_row(kind, f"{answers}; {target.entries} entries, {target.waiting} to be written{given_up}{ill}")
    if found.to_look_at:
        table.add_row(
            "changed", f"{counted(found.to_look_at, 'person', 'people')} since targets were last compared: idp plan"
        )
    if found.open_duplicates:
        table.add_row("duplicates", f"{found.open_duplicates} pairs to judge: idp people duplicates list")
    waiting = f"; {found.delayed_letters} wait after an error: {escape(found.letters_error)}"
    table.add_row("letters", (_counts(found.letters) or "none") + (waiting if found.delayed_letters else ""))
    if found.running_run_id:
        table.add_row("at work", f"run {found.running_run_id}: idp runs show {found.running_run_id}")
    seen = f"{found.workers} alive, seen {when(found.worker_seen_at, zone)}" if found.worker_seen_at else "never seen"
    table.add_row("worker", seen)
    console().print(table)


def _last_import(found: Status, zone: ZoneInfo) -> str:
    last = found.last_import
    if last is None:
        return "none"
    why = f" ({last.reason})" if last.reason else ""
    return f"{escape(last.file_name)}, {last.people} people, {last.state}{why}, {when(last.started_at, zone)}"


def _last_run(found: Status, zone: ZoneInfo) -> str:
    last = found.last_run
    if last is None:
        return "none: idp apply"
    error = f": {escape(last.error)}" if last.error else ""
    return f"{last.run_id} {last.state}, {_counts(last.changes) or 'no changes'}, {when(last.started_at, zone)}{error}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in sorted(counts.items()) if count)
