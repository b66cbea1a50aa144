"""`idp config`: check the settings that would be used, or print an example file."""

import click

from idp.app.settings import SECTIONS, load_settings, warnings
from idp.cli.support import json_option, print_json
from idp.settings import example


@click.group()
def config() -> None:
    """Check the settings, or print an example file."""


@config.command()
@json_option
def check(as_json: bool) -> None:
    """Load the settings, say what is wrong with them, and warn of what is risky."""
    risks = warnings(load_settings())
    if as_json:
        print_json({"ok": True, "warnings": risks})
        return
    for risk in risks:
        click.secho(f"warning: {risk}", fg="yellow")
    click.echo("The settings are valid.")


@config.command(name="example")
def print_example() -> None:
    """Print every setting with its default and what it means."""
    click.echo(example(SECTIONS))
