"""`idp drift`: find changes that others made in the targets."""

import sys
from collections.abc import Mapping

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.cli.people_named import PERSON, person_named
from idp.cli.plans import WRITTEN_SOON
from idp.cli.support import (
    Group,
    add_row,
    console,
    counted,
    counted_people,
    current_actor,
    json_option,
    pass_idp,
    print_json,
)
from idp.people.queries import load_people
from idp.provisioning.drift import REPORT, DriftReport, drop_overrides, find_drift_everywhere
from idp.provisioning.pin_queries import latest_overrides
from idp.provisioning.pins import Override

OVERRIDES_SHOWN = 500


@click.group(cls=Group, invoke_without_command=True)
@click.option("--all", "whole", is_flag=True, help="Read every target whole, not only what it reports as changed.")
@json_option
@click.pass_context
def drift(context: click.Context, whole: bool, as_json: bool) -> None:
    """Find changes that others made in the targets. The worker does so by itself.

    The next run repairs them, unless the settings report or adopt them. Exit code 1: there are new changes, entries
    still differ, or reported changes await a decision.
    """
    if context.invoked_subcommand is None:
        show(whole, as_json)


@pass_idp
def show(installation: Idp, whole: bool, as_json: bool) -> None:
    """Print the changes found now, and the overrides."""
    reports = find_drift_everywhere(installation.provisioner, whole=whole, actor=current_actor())
    with installation.databases.identity.read() as connection:
        overrides = latest_overrides(connection, OVERRIDES_SHOWN)
        ids = sorted({one.person_id for one in overrides}.union(*(found.people for found in reports)))
        names = {str(person.person_id): person.display_name for person in load_people(connection, ids)}
    reported = [one for one in overrides if one.policy == REPORT]
    if as_json:
        facts = [{**_facts(found), "differences": found.differences, "lost": found.lost} for found in reports]
        print_json({"targets": facts, "overrides": overrides})
    else:
        for found in reports:
            _print_look(found, names)
        _print_overrides(overrides, names)
    sys.exit(1 if reported or any(found.people or found.orphans or found.still_differing for found in reports) else 0)


@drift.command()
@click.argument("who", metavar=PERSON)
@click.argument("attributes", metavar="[ATTRIBUTE]...", nargs=-1)
@pass_idp
def drop(installation: Idp, who: str, attributes: tuple[str, ...]) -> None:
    """Overwrite what others changed in the entry of PERSON: the named attributes, or all. The next run writes them."""
    done = drop_overrides(installation.provisioner, person_named(installation, who), attributes, current_actor())
    names = ", ".join(f"{one.attribute} in {one.target}" for one in done)
    click.echo(f"{names}: our values count again. {WRITTEN_SOON}")


def _facts(found: DriftReport) -> dict[str, object]:
    return {
        "target": found.target,
        "is_whole": found.is_whole,
        "entries_read": found.entries_read,
        "orphans": found.orphans,
        "still_differing": found.still_differing,
        "relocked": found.relocked,
    }


def _print_look(found: DriftReport, names: Mapping[str, str]) -> None:
    kind = "" if found.is_whole else "changed "
    entries_read = counted(found.entries_read, f"{kind}entry", f"{kind}entries")
    click.echo(f"{found.target}: {entries_read} read, new changes in {counted_people(len(found.people))}")
    if found.differences:
        table = Table("entry", "person", "attribute", "ours", "found", "what happens", box=None)
        table.header_style = "bold"
        for one in found.differences:
            cells = (one.name, names.get(one.person_id, ""), one.attribute)
            add_row(table, *cells, ", ".join(one.ours), ", ".join(one.found), _SENTENCES[one.policy])
        console().print(table)
    for person_id in found.lost:
        who = f"{names.get(person_id, '')} ({person_id})"
        what = "the entry was removed or lost our mark. It is created again WITHOUT A PASSWORD, which must be set again"
        click.secho(f"  {who}: {what}", fg="red")
    if found.still_differing:
        entries = counted(len(found.still_differing), "entry", "entries")
        click.echo(f"  {entries} still to be repaired. See them with: idp plan")
    for orphan in found.orphans:
        click.secho(f"  {orphan}: has our mark, but no person in our records (an orphan)", fg="yellow")
    if found.relocked:
        entries = counted(found.relocked, "closed entry", "closed entries")
        click.secho(f"  {entries} changed by others: locked again", fg="yellow")


_SENTENCES = {
    "repair": "the next run writes our value",
    "report": "kept; awaits a decision",
    "adopt": "kept",
}


def _print_overrides(overrides: list[Override], names: Mapping[str, str]) -> None:
    if not overrides:
        return
    click.echo("Overrides:")
    table = Table("person", "target", "attribute", "ours", "kept", "policy")
    table.box = None
    table.header_style = "bold"
    for one in overrides:
        who = names.get(one.person_id, one.person_id)
        add_row(table, who, one.target, one.attribute, ", ".join(one.expected), ", ".join(one.kept), one.policy)
    console().print(table)
    click.echo("Write our values again with: idp drift drop PERSON [ATTRIBUTE]...")
