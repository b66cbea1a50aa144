"""Show a plan: as JSON, and as tables for people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from idp.cli.support import console, counted
from idp.people.values import Person
from idp.provisioning.run import ChangeRow, FindingRow, Run, RunKind
from idp.provisioning.values import Change, Entry, Kind


def run_facts(run: Run) -> dict[str, Any]:
    """Return what JSON output says about a plan as a whole."""
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "state": run.state,
        "created_at": run.created_at,
        "created_by": run.created_by,
        "digest": run.digest,
        "targets": run.summary,
        "total": run.changes,
        "limit_violations": run.violations,
    }


def change_facts(rows: Sequence[ChangeRow], people: Iterable[Person]) -> list[dict[str, Any]]:
    """Return what JSON output says about changes. `people`: the people of these changes."""
    known = {str(person.person_id): person for person in people}
    return [
        {
            "number": row.number,
            "target": row.target,
            "kind": row.kind,
            "person_id": row.person_id,
            "album": known[row.person_id].album if row.person_id in known else None,
            "os_id": (known[row.person_id].os_id or None) if row.person_id in known else None,
            "name": row.name,
            "reason": row.reason,
            "attributes": {name: {"before": before, "after": after} for name, before, after in differences_of(row)},
            "state": row.state,
            "error": row.error,
        }
        for row in rows
    ]


def differences_of(row: ChangeRow) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return (attribute, before, after) of each attribute that a change changes."""
    before, after = (Entry.from_json(row.person_id, text) if text else None for text in (row.before, row.after))
    return list(Change(Kind(row.kind), row.person_id, before, after, row.reason).differences())


# --- for people -----------------------------------------------------------------------------------------------------


def print_changes(rows: Sequence[ChangeRow], names: Mapping[str, str]) -> None:
    """Print changes attribute by attribute. `names`: display name by person."""
    if not rows:
        return
    table = Table("uid", "person", "what", "attribute", "before", "after", "why", box=None, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"  # a value is compared as a whole: on a narrow terminal it goes on in the next line
    # escape: a name may hold what rich takes for a colour.
    for row in rows:
        who = [escape(row.name), escape(names.get(row.person_id, "")), f"{row.target} {row.kind}"]
        differences = differences_of(row)
        if row.kind == Kind.CREATE:
            attributes = len(differences) - 2  # without name and switch
            table.add_row(
                *who, counted(attributes, "attribute", "attributes") if attributes else "", "", "", row.reason
            )
            continue
        reason = row.reason
        for name, before, after in differences:
            table.add_row(*who, name, escape(", ".join(before)), escape(", ".join(after)), reason)
            who, reason = [""] * len(who), ""
    console().print(table)


def print_findings(rows: Sequence[FindingRow]) -> None:
    """Print what a human must check."""
    for row in rows:
        console().print(f"[yellow]Check[/] {escape(row.name or row.person_id)} in {row.target}: {escape(row.what)}.")


def print_totals(run: Run, shown: int) -> None:
    """Print how many changes of each kind a plan has. `shown`: how many were printed above."""
    for target, part in run.summary.items():
        if part.unread:
            click.secho(f"{target}: not read, so nothing is planned there: {part.unread}", fg="yellow")
            continue
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(part.counts.items())) or "nothing to change"
        findings = f"; {part.findings:,} to check" if part.findings else ""
        click.echo(f"{target}: {counts}{findings} ({counted(part.population, 'entry', 'entries')} now)")
    if 0 < shown < run.changes:
        all_of_it = f"idp runs export {run.run_id} FILE"
        click.echo(f"Shown: {shown:,} of {run.changes:,} changes. More with --limit, all in a file with: {all_of_it}")


def print_not_undone(run: Run) -> None:
    """Print how many entries an undo leaves as they are, and where to read why."""
    if run.kind == RunKind.UNDO and (left := sum(part.findings for part in run.summary.values())):
        entries = counted(left, "entry", "entries")
        how = f"idp runs show {run.run_id} --limit {max(left, 20)}"
        click.secho(f"Not undone, wholly or in part: {entries}. Read why with: {how}", fg="yellow")


WRITTEN_SOON = "A living worker writes what that changes within seconds. Without a worker: idp apply"


def print_needs_approval(needs_approval: str) -> None:
    """Print on standard error why a plan awaits approval, and the next command."""
    click.secho(f"Too many changes at once: {needs_approval}", fg="red", err=True)
