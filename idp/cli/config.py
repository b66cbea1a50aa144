"""`idp config`: check the settings that would be used, or print an example file."""

import os
from typing import Any

import click

from idp.app.settings import SECTIONS, load_settings, warnings
from idp.cli.support import Group, json_option, print_json
from idp.fees import settings as fees
from idp.settings import example


@click.group(cls=Group)
def config() -> None:
    """Check the settings, or print an example file."""


@config.command()
@json_option
def check(as_json: bool) -> None:
    """Load the settings, say what is wrong with them, and warn of what is risky.

    The fees application's file is checked, too, when IDP_FEES_CONFIG names one.
    """
    risks = warnings(load_settings())
    checked = ["idp"]
    if "IDP_FEES_CONFIG" in os.environ:
        fees.load_settings()
        checked.append("fees")
    _print_check({"ok": True, "checked": checked, "warnings": risks}, as_json)


def _print_check(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for risk in found["warnings"]:
        click.secho(f"warning: {risk}", fg="yellow")
    click.echo(f"The settings of {' and '.join(found['checked'])} are valid.")


@config.command(name="example")
@click.argument("application", type=click.Choice(["idp", "fees"]), default="idp")
def print_example(application: str) -> None:
    """Print every setting with its default and what it means; the fees application has a file of its own."""
    click.echo(example(SECTIONS if application == "idp" else fees.SECTIONS))
