"""`idp plan`, `idp apply`, `idp status`: show what would change in the targets, change it, show the state."""

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
    print_needs_approval,
    print_not_undone,
    print_totals,
    run_facts,
)
from idp.cli.runs_named import run_named
from idp.cli.support import (
    console,
    counted,
    counted_people,
    current_actor,
    json_option,
    pass_idp,
    print_json,
    progress,
    when,
)
from idp.jobs import schedule_queries as schedules
from idp.jobs.status import Status, problems_of
from idp.jobs.status import status as status_of
from idp.people.queries import load_people
from idp.provisioning import run_queries
from idp.provisioning.approval import refusal
from idp.provisioning.drift import find_drift_where_possible
from idp.provisioning.executor import Result
from idp.provisioning.guard import sentence
from idp.provisioning.planning import Scope, discard_if_empty, make_plan, people_to_look_at, refuse_if_unreachable
from idp.provisioning.removal import make_removal_plan
from idp.provisioning.run import ENDS, ChangeRow, ChangeState, Run, RunKind
from idp.provisioning.run_steps import awaiting_runs


@click.command()
@click.option("--limit", default=20, show_default=True, help="How many changes to show. The plan has all.")
@click.option("--all", "everybody", is_flag=True, help="Compare everybody, and read the targets whole.")
@click.option("--removals", is_flag=True, help="Remove entries of people closed for long. Needs two approvals.")
@json_option
@pass_idp
def plan(installation: Idp, limit: int, everybody: bool, removals: bool, as_json: bool) -> None:
    """Show what would change in the targets. Nothing is written to them. `idp apply` applies the plan.

    The plan covers people whose records changed and people with pending writes.

    People of an earlier plan that awaits approval are left out. The command names that plan.

    Exit code 1 when people were left out for an earlier plan.
    """
    if removals:
        run = make_removal_plan(installation.provisioner, current_actor())
    else:
        run = _make_plan(installation, Scope.ALL if everybody else Scope.CHANGED)
    with installation.databases.identity.read() as connection:
        changes = run_queries.changes_of(connection, run.run_id, limit=limit)
        findings = run_queries.findings_of(connection, run.run_id, limit=limit)
        people = load_people(connection, [row.person_id for row in changes])
        needs_approval = refusal(connection, run, installation.settings.provisioning)
    awaiting = [] if needs_approval else _awaiting(installation)
    if as_json:
        facts = {"changes": change_facts(changes, people), "findings": findings, "awaiting_approval": awaiting}
        print_json({**run_facts(run), **facts})
        sys.exit(1 if awaiting else 0)
    print_changes(changes, {person.person_id: person.display_name for person in people})
    print_findings(findings)
    print_totals(run, shown=len(changes))
    if needs_approval:
        print_needs_approval(needs_approval)
    elif run.changes:
        click.echo(f"Apply exactly this plan with: idp apply {run.run_id}")
    if awaiting:
        _print_awaiting(awaiting)
        sys.exit(1)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--here", is_flag=True, help="Apply it in this process even if a worker is running.")
@json_option
@pass_idp
def apply(installation: Idp, run_id: str | None, here: bool, as_json: bool) -> None:
    """Write a plan to the targets: RUN, or a plan made now. See it first with `idp plan`.

    A running worker applies it while this command shows the progress. Without a worker, this command applies it. An
    interrupted run continues where it stopped. Ctrl-C does not stop the worker: use `idp runs pause RUN`.

    A plan made now leaves out the people of a plan that awaits approval. If it has no change and no finding, it is not
    kept.

    Exit code 1: something is left to do or awaits approval, a target refused a change or shows another value
    afterwards, or an undo left something as it is.
    """
    run = _make_plan(installation) if run_id is None else run_named(installation, run_id)
    with installation.databases.identity.read() as connection:
        needs_approval = refusal(connection, run, installation.settings.provisioning)
    if needs_approval and run.state not in ENDS:
        if as_json:
            print_json({**run_facts(run), "approval_needed_because": needs_approval})
        else:
            print_totals(run, shown=0)
            print_needs_approval(needs_approval)
        sys.exit(1)
    if not as_json:
        print_totals(run, shown=0)
    with progress("Writing", total=run.changes) as advance:
        result = apply_or_follow(installation.provisioner, run, current_actor(), advance, here=here)
    failed = _failed(installation, result)
    if run_id is None:
        discard_if_empty(installation.provisioner, result.run)
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
@click.option("--check", is_flag=True, help="Print only problems: nothing when all is well. Exit code 1: a problem.")
@json_option
@pass_idp
def status(installation: Idp, check: bool, as_json: bool) -> None:
    """Show the state of records, targets, runs, letters and workers."""
    found = status_of(installation.provisioner)
    wrong = problems_of(found)
    if as_json:
        print_json({**asdict(found), "problems": wrong})
    elif check:
        for problem in wrong:
            click.secho(problem, fg="red")
    else:
        _print_status(found, ZoneInfo(installation.settings.university.time_zone))
    if check and wrong:
        sys.exit(1)


def _make_plan(installation: Idp, scope: Scope = Scope.CHANGED) -> Run:
    if scope is Scope.CHANGED:
        find_drift_where_possible(installation.provisioner)  # the plan repairs what others changed
    with progress("Comparing", total=people_to_look_at(installation.provisioner, scope)) as advance:
        run = make_plan(installation.provisioner, current_actor(), scope=scope, progress=advance)
    if not run.changes:
        refuse_if_unreachable(installation.provisioner)
    return run


def _awaiting(installation: Idp) -> list[dict[str, Any]]:
    """Return the plans that await approval. Their people were left out."""
    found = awaiting_runs(installation.provisioner)
    return [{"run_id": run.run_id, "limit_violations": run.violations} for run in found]


def _failed(installation: Idp, result: Result) -> list[ChangeRow]:
    """Return the first changes that were not made."""
    states = [
        ChangeState.REJECTED,
        ChangeState.UNVERIFIED,
        ChangeState.OPEN,
        *([ChangeState.SUPERSEDED] if _left_as_they_are(result) else []),
    ]
    with installation.databases.identity.read() as connection:
        return [
            row
            for state in states
            for row in run_queries.changes_of(connection, result.run.run_id, state=state, limit=20)
        ]


def _left_as_they_are(result: Result) -> int:
    """Return how many changes an undo left out. No plan makes them, because the records do not ask for them."""
    return result.superseded if result.run.kind == RunKind.UNDO else 0


def _not_undone(result: Result) -> int:
    """Return how many entries an undo could not plan for, wholly or in part."""
    return sum(part.findings for part in result.run.summary.values()) if result.run.kind == RunKind.UNDO else 0


def _is_well(result: Result) -> bool:
    return result.is_complete and not _left_as_they_are(result) and not _not_undone(result)


# --- as JSON --------------------------------------------------------------------------------------------------------


def _result_facts(result: Result) -> dict[str, Any]:
    return {
        "done": result.done,
        "left": result.left,
        "rejected": result.rejected,
        "unverified": result.unverified,
        "left_to_next_plan": result.superseded - _left_as_they_are(result),
        "left_as_they_are": _left_as_they_are(result),
        "not_undone": _not_undone(result),
        "is_complete": _is_well(result),
    }


# --- for people -----------------------------------------------------------------------------------------------------


def _print_result(result: Result, failed: Sequence[ChangeRow]) -> None:
    parts = [f"{result.done:,} written and checked"]
    parts += [f"{result.left} left"] if result.left else []
    parts += [f"{result.rejected} refused by the target"] if result.rejected else []
    parts += [f"{result.unverified} not as written when read back"] if result.unverified else []
    if as_they_are := _left_as_they_are(result):
        parts.append(f"{as_they_are} left as they are: this undo came too late for them")
    elif result.superseded:
        parts.append(f"{result.superseded} no longer needed, or left to the next plan because the records changed")
    if not result.run.changes:
        click.echo("Nothing to apply.")
        print_not_undone(result.run)
        return
    click.secho(", ".join(parts) + ".", fg="green" if _is_well(result) else "yellow")
    for row in failed:
        click.echo(f"  {row.target} {row.kind} {row.name}: {row.error or 'not tried yet'}")
    if result.left:
        click.echo(f"A worker tries the rest again. Without a worker: idp apply {result.run.run_id}")
    print_not_undone(result.run)


def _print_awaiting(awaiting: Sequence[Mapping[str, Any]]) -> None:
    for one in awaiting:
        run_id = one["run_id"]
        why = sentence(one["limit_violations"])
        text = f"Run {run_id} awaits approval: {why}. Its people were left out. See it with: idp runs show {run_id}"
        click.secho(text, fg="yellow", err=True)


def _print_status(found: Status, zone: ZoneInfo) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_row("people", _counts(found.people) or "none yet: idp registry import FILE")
    claimed = (
        f"{found.student_accounts_claimed:,} of {found.student_accounts:,} students, {found.staff_accounts:,} staff"
    )
    table.add_row("accounts claimed", claimed)
    table.add_row("last import", _last_import(found, zone))
    if found.quarantined:
        table.add_row("quarantine", f"{counted(found.quarantined, 'row', 'rows')}: idp registry quarantine")
    table.add_row("last run", _last_run(found, zone))
    for plan_ in found.awaiting_approval:
        people = "1 person" if plan_.approvals_missing == 1 else f"{plan_.approvals_missing} people"
        needs = f"{people} must approve it, or cancel it: idp runs show {plan_.run_id}"
        table.add_row(
            "[red]awaits approval[/]", f"{when(plan_.created_at, zone)}, {sentence(plan_.limit_violations)}; {needs}"
        )
    for name, last in found.schedules.items():
        if last.is_delayed or last.state == schedules.FAILED:
            became = "[yellow]delayed[/], a worker tries it again" if last.is_delayed else "[red]failed[/]"
            table.add_row(name, f"{became}, {when(last.due_at, zone)}: {escape(last.note)}")
    for kind, target in found.targets.items():
        answers = "[green]answers[/]" if target.is_reachable else f"[red]does not answer[/]: {escape(target.error)}"
        given_up = f", {counted_people(target.given_up)} refused too often: idp runs retry" if target.given_up else ""
        failing = f"; failed {target.failed_how_often}: {escape(target.error)}" if target.is_failing else ""
        entries = counted(target.entries, "entry", "entries")
        table.add_row(kind, f"{answers}; {entries}, {target.pending:,} to be written{given_up}{failing}")
    if found.changed_people:
        table.add_row(
            "changed records",
            f"{counted_people(found.changed_people)} since the last comparison: idp plan",
        )
    if found.open_duplicates:
        table.add_row(
            "duplicates", f"{counted(found.open_duplicates, 'pair', 'pairs')} to judge: idp people duplicates list"
        )
    waiting = f"; {found.delayed_letters} delayed by an error: {escape(found.letters_error)}"
    table.add_row("letters", (_counts(found.letters) or "none") + (waiting if found.delayed_letters else ""))
    if found.running_run_id:
        table.add_row("running", f"run {found.running_run_id}: idp runs show {found.running_run_id}")
    seen = f"{found.workers} alive, seen {when(found.worker_seen_at, zone)}" if found.worker_seen_at else "never seen"
    table.add_row("worker", seen if found.workers else f"{seen}. Start one with: idp worker")
    console().print(table)


def _last_import(found: Status, zone: ZoneInfo) -> str:
    last = found.last_import
    if last is None:
        return "none"
    why = f" ({last.reason})" if last.reason else ""
    people = counted_people(last.people)
    return f"{escape(last.file_name)}, {people}, {last.state}{why}, {when(last.started_at, zone)}"


def _last_run(found: Status, zone: ZoneInfo) -> str:
    last = found.last_run
    if last is None:
        return "none: idp apply"
    error = f": {escape(last.error)}" if last.error else ""
    return f"{last.run_id} {last.state}, {_counts(last.changes) or 'no changes'}, {when(last.started_at, zone)}{error}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in sorted(counts.items()) if count)
