"""`idp undo`: plan to take a run back."""

import click

from idp.app.installation import Idp
from idp.cli.plans import (
    WRITTEN_SOON,
    change_facts,
    print_changes,
    print_findings,
    print_needs_approval,
    print_not_undone,
    print_totals,
    run_facts,
)
from idp.cli.runs_named import run_named
from idp.cli.support import counted_people, current_actor, json_option, pass_idp, print_json, progress
from idp.people.queries import load_people
from idp.provisioning import run_queries
from idp.provisioning.approval import refusal
from idp.provisioning.undo import drop_pins, make_undo


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--remove", is_flag=True, help="Remove entries that the run created. Entries changed since are locked.")
@click.option("--drop-pins", "is_drop", is_flag=True, help="Drop the pins of RUN: the records decide again.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=0), help="How many changes to show.")
@json_option
@pass_idp
def undo(installation: Idp, run_id: str, remove: bool, is_drop: bool, limit: int, as_json: bool) -> None:
    """Make a plan that takes back the changes of RUN. `idp apply` applies it. What cannot be taken back is listed.

    A value is taken back if it is still as the run left it. It is then pinned: it stays so until the records ask for
    another value than RUN wrote, or until you drop the pins with --drop-pins.
    """
    if is_drop:
        _drop_pins(installation, run_named(installation, run_id).run_id, as_json)
        return
    undone = run_named(installation, run_id)
    with progress("Comparing", total=undone.changes) as advance:
        actor = current_actor()
        run = make_undo(installation.provisioner, undone.run_id, actor, remove_created=remove, progress=advance)
    with installation.databases.identity.read() as connection:
        changes = run_queries.changes_of(connection, run.run_id, limit=limit)
        findings = run_queries.findings_of(connection, run.run_id, limit=limit)
        people = load_people(connection, [row.person_id for row in changes])
        needs_approval = refusal(connection, run, installation.settings.provisioning)
    if as_json:
        facts = {**run_facts(run), "undoes_run_id": run.undoes, "approval_needed_because": needs_approval}
        print_json({**facts, "changes": change_facts(changes, people), "not_undone": findings})
        return
    print_changes(changes, {person.person_id: person.display_name for person in people})
    print_findings(findings)
    print_totals(run, shown=len(changes))
    print_not_undone(run)
    if needs_approval:
        print_needs_approval(needs_approval)
    elif run.changes:
        click.echo(f"Apply exactly this plan with: idp apply {run.run_id}")
    else:
        click.echo("Nothing to undo.")


def _drop_pins(installation: Idp, run_id: str, as_json: bool) -> None:
    count = drop_pins(installation.provisioner, run_id, current_actor())
    if as_json:
        print_json({"run_id": run_id, "people": count})
    elif count:
        click.echo(f"The records decide again for {counted_people(count)}. {WRITTEN_SOON}")
    else:
        click.echo("This run has no pins.")
