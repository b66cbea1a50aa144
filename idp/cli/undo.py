"""`idp undo`: take a run back."""

import click

from idp.app.installation import Idp
from idp.audit.events import shell_actor
from idp.cli.plans import change_facts, print_changes, print_findings, print_totals, print_waiting, run_facts
from idp.cli.runs_named import run_named
from idp.cli.support import json_option, pass_idp, print_json, progress
from idp.people.queries import load_people
from idp.provisioning import run_queries as runs
from idp.provisioning.approval import refusal
from idp.provisioning.undo import make_undo, release


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--remove", is_flag=True, help="Remove entries still as the run made them; others are locked.")
@click.option("--release", "is_release", is_flag=True, help="Obey the records again in what was taken back of RUN.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=0), help="How many people to show.")
@json_option
@pass_idp
def undo(installation: Idp, run_id: str, remove: bool, is_release: bool, limit: int, as_json: bool) -> None:
    """Make a plan that puts back what RUN changed; `idp apply` carries it out. What cannot be put back is listed.

    Put back is what is still as the run left it. The records may go on asking for what was taken back: they are not
    obeyed in that until they say something else, or until you say --release.
    """
    if is_release:
        _release(installation, run_named(installation, run_id).run_id, as_json)
        return
    undone = run_named(installation, run_id)
    with progress("Comparing", total=undone.changes) as advance:
        actor = shell_actor()
        run = make_undo(installation.provisioner, undone.run_id, actor, remove_created=remove, progress=advance)
    with installation.databases.identity.read() as connection:
        changes = runs.changes_of(connection, run.run_id, limit=limit)
        findings = runs.findings_of(connection, run.run_id, limit=limit)
        people = load_people(connection, [row.person_id for row in changes])
        waits_because = refusal(connection, run, installation.settings.provisioning)
    if as_json:
        facts = {**run_facts(run), "undoes": run.undoes, "waits_because": waits_because}
        print_json({**facts, "changes": change_facts(changes), "not_undone": findings})
        return
    print_changes(changes, {person.person_id: person.display_name for person in people})
    print_findings(findings)
    print_totals(run, shown=len(changes))
    if waits_because:
        print_waiting(waits_because)
    elif run.changes:
        click.echo(f"Take it back with: idp apply {run.run_id}")
    else:
        click.echo("Nothing is left to take back.")


def _release(installation: Idp, run_id: str, as_json: bool) -> None:
    count = release(installation.provisioner, run_id, shell_actor())
    if as_json:
        print_json({"run": run_id, "people": count})
    elif count:
        click.echo(f"The records are obeyed again for {count:,} people. See what that changes with: idp plan")
    else:
        click.echo("Nothing is held back of this run.")
