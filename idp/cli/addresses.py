"""`idp addresses`: mail names."""

from pathlib import Path

import click
from rich.table import Table

from idp.accounts.intake import IntakePerson, IntakePreview, preview_intake
from idp.aliases.refusals import name_rules
from idp.app.installation import Idp
from idp.cli.registry import stages
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json
from idp.registry.reading import read_people


@click.group(cls=Group)
def addresses() -> None:
    """Mail names."""


@addresses.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=0), help="How many of each to show.")
@json_option
@pass_idp
def preview(installation: Idp, file: Path, limit: int, as_json: bool) -> None:
    """Show what mail names a registry export would lead to, before anybody sees them. Nothing is taken or written.

    Collisions, names from other scripts, names that are too long, names that a rule refuses.
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
        f"{found.people:,} people, {found.with_name:,} with a mail name already, {found.without_name:,} without,"
        f" {len(found.bad):,} whose rows are bad"
    )
    if found.namesakes:
        title = "Several to whom one name would be proposed, and names that are taken"
        table = _table(title, "mail name", "taken", "album", "name", "line")
        for group in found.namesakes[:limit]:
            name, taken = group.mail_name, "yes" if group.is_taken else ""
            for each in group.people:
                add_row(table, name, taken, each.album or "", each.name, str(each.line))
                name = taken = ""
        console().print(table)
        _say_rest(len(found.namesakes), limit)
    if found.remarkable:
        table = _table("Names to look at", "mail name", "what", "album", "name", "line")
        for each in found.remarkable[:limit]:
            add_row(table, each.mail_name.first or "none", _what(each), each.album or "", each.name, str(each.line))
        console().print(table)
        _say_rest(len(found.remarkable), limit)
    if not found.namesakes and not found.remarkable:
        click.echo("Nothing to look at.")


def _what(each: IntakePerson) -> str:
    because = f" ({each.mail_name.usual}: {each.mail_name.refusal})" if each.mail_name.refusal else ""
    return ", ".join(remark.value for remark in each.mail_name.remarks) + because


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=None, header_style="bold")


def _say_rest(count: int, limit: int) -> None:
    if count > limit:
        click.echo(f"Shown: {limit} of {count}. More with --limit.")
