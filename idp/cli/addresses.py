"""`idp addresses`: mail names."""

from pathlib import Path

import click
from rich.table import Table

from idp.accounts.intake import IntakePerson, IntakePreview, preview_intake
from idp.aliases.refusals import name_rules
from idp.app.installation import Idp
from idp.cli.registry import stages
from idp.cli.support import Group, add_row, console, counted_people, json_option, pass_idp, print_json
from idp.registry.reading import read_people


@click.group(cls=Group)
def addresses() -> None:
    """Preview the mail names of an intake."""


@addresses.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=0), help="How many of each to show.")
@json_option
@pass_idp
def preview(installation: Idp, file: Path, limit: int, as_json: bool) -> None:
    """Show the mail names that would be proposed to the people of a registry export. Nothing is assigned or written.

    It lists collisions, names from other scripts, names that are too long, and names that a rule refuses.
    """
    settings, people = installation.settings, installation.settings.people
    rules = name_rules(settings.aliases, people.alias_prefix, people.mail_domain)
    with stages() as stage:
        found = preview_intake(
            installation.databases,
            read_people(file, installation.clock.now(), installation.zone, settings.registry, stage),
            rules,
        )
    if as_json:
        print_json(found)
        return
    _print(found, limit)


def _print(found: IntakePreview, limit: int) -> None:
    click.echo(
        f"{counted_people(found.people)}: {found.with_name:,} with a mail name, {found.without_name:,} without one,"
        f" {len(found.bad):,} with bad rows only"
    )
    if found.namesakes:
        click.echo("\nNames that would be proposed to several people, and names already taken:")
        table = _table("mail name", "taken", "album", "name", "line")
        for group in found.namesakes[:limit]:
            name, taken = group.mail_name, "yes" if group.is_taken else ""
            for each in group.people:
                add_row(table, name, taken, each.album or "", each.name, str(each.line))
                name = taken = ""
        console().print(table)
        _say_rest(len(found.namesakes), limit)
    if found.remarkable:
        click.echo("\nNames to check:")
        table = _table("mail name", "remark", "album", "name", "line")
        for each in found.remarkable[:limit]:
            add_row(table, each.mail_name.first or "none", _what(each), each.album or "", each.name, str(each.line))
        console().print(table)
        _say_rest(len(found.remarkable), limit)
    if not found.namesakes and not found.remarkable:
        click.echo("Nothing to check.")


def _what(each: IntakePerson) -> str:
    because = f" ({each.mail_name.usual}: {each.mail_name.refusal})" if each.mail_name.refusal else ""
    return ", ".join(remark.value for remark in each.mail_name.remarks) + because


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold")


def _say_rest(count: int, limit: int) -> None:
    if count > limit:
        click.echo(f"Shown: {limit:,} of {count:,}. Show more with --limit.")
