"""`idp drift`: what others changed in the targets."""

import sys
from collections.abc import Mapping

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.audit.events import shell_actor
from idp.cli.people_named import person_named
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json
from idp.people.queries import load_people
from idp.provisioning.drift import Look, look_everywhere
from idp.provisioning.drift import repair as repair_one
from idp.provisioning.held_queries import ADOPT, REPORT, Held, held_for

LEFT_SHOWN = 500


@click.group(cls=Group, invoke_without_command=True)
@click.option("--all", "whole", is_flag=True, help="Read every target whole, and not only what it says has changed.")
@json_option
@click.pass_context
def drift(context: click.Context, whole: bool, as_json: bool) -> None:
    """Look for what others changed in the targets since the last look; the worker does so by itself.

    What is to be repaired is marked for the next run. Exit code 1 when something was found, or is reported and not yet
    decided.
    """
    if context.invoked_subcommand is None:
        show(whole, as_json)


@pass_idp
def show(installation: Idp, whole: bool, as_json: bool) -> None:
    """Look, and print what was found and what was left as found."""
    looks = look_everywhere(installation.provisioner, whole=whole, actor=shell_actor())
    with installation.databases.identity.read() as connection:
        left = held_for(connection, (REPORT, ADOPT), LEFT_SHOWN)
        ids = sorted({one.person_id for one in left}.union(*(found.people for found in looks)))
        names = {str(person.person_id): person.display_name for person in load_people(connection, ids)}
    reported = [one for one in left if one.why == REPORT]
    if as_json:
        facts = [{**_facts(found), "differences": found.differences, "lost": found.lost} for found in looks]
        print_json({"targets": facts, "left_as_found": left})
    else:
        for found in looks:
            _print_look(found, names)
        _print_left(left, names)
    sys.exit(1 if reported or any(found.people or found.strays for found in looks) else 0)


@drift.command()
@click.argument("who", metavar="ALBUM|UID|MAIL")
@click.argument("attributes", metavar="[ATTRIBUTE]...", nargs=-1)
@pass_idp
def repair(installation: Idp, who: str, attributes: tuple[str, ...]) -> None:
    """Have our values written where others' were reported or adopted: of WHO, these attributes or all."""
    done = repair_one(installation.provisioner, person_named(installation, who), attributes, shell_actor())
    names = ", ".join(f"{one.attribute} in {one.target}" for one in done)
    click.echo(f"{names}: the next run writes our values. See it with: idp plan")


def _facts(found: Look) -> dict[str, object]:
    return {
        "target": found.target,
        "whole": found.is_whole,
        "looked_at": found.looked_at,
        "strays": found.strays,
        "relocked": found.relocked,
    }


def _print_look(found: Look, names: Mapping[str, str]) -> None:
    how = "read whole" if found.is_whole else "changed entries"
    click.echo(f"{found.target}: {found.looked_at:,} {how}, something found in {len(found.people):,} people")
    if found.differences:
        table = Table("entry", "person", "attribute", "ours", "found", "what becomes of it", box=None)
        table.header_style = "bold"
        for one in found.differences:
            cells = (one.name, names.get(one.person_id, ""), one.attribute)
            add_row(table, *cells, ", ".join(one.ours), ", ".join(one.found), _SENTENCES[one.policy])
        console().print(table)
    for person_id in found.lost:
        who = f"{names.get(person_id, '')} ({person_id})"
        what = "the entry was removed or lost our mark. It is made again WITHOUT A PASSWORD, which must be set anew"
        click.secho(f"  {who}: {what}", fg="red")
    for stray in found.strays:
        click.secho(f"  {stray}: has our mark, and our records do not know this person", fg="yellow")
    if found.relocked:
        click.secho(f"  {found.relocked} closed entries were written to by others: locked again", fg="yellow")


_SENTENCES = {
    "repair": "the next run writes ours",
    "report": "left as found; decide",
    "adopt": "left as found",
}


def _print_left(left: list[Held], names: Mapping[str, str]) -> None:
    if not left:
        return
    table = Table("person", "target", "attribute", "ours", "found", "", title="Left as found", title_justify="left")
    table.box = None
    table.header_style = "bold"
    for one in left:
        who = names.get(one.person_id, one.person_id)
        add_row(table, who, one.target, one.attribute, ", ".join(one.ours), ", ".join(one.held), one.why)
    console().print(table)
    click.echo("To have ours written: idp drift repair ALBUM|UID|MAIL [ATTRIBUTE]...")
