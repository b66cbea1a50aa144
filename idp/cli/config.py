"""`idp config`: check the settings, or print an example file."""

from typing import Any

import click

from idp.app.config_check import mistakes, warnings
from idp.app.settings import SECTIONS, load_settings
from idp.cli.support import Group, json_option, print_json
from idp.errors import ConfigError
from idp.fees import settings as fees
from idp.settings import FEES_PREFIX, PREFIX, example, overriding_variables, settings_files


@click.group(cls=Group)
def config() -> None:
    """Check the settings, or print an example file."""


@config.command()
@json_option
def check(as_json: bool) -> None:
    """Check the settings: print mistakes and warn of risks.

    The files that the settings name are checked, too: nobody else may read secrets, keys and databases. The fees
    application's settings are checked if IDP_FEES_CONFIG names a file.
    """
    settings = load_settings()
    if wrong := mistakes(settings, list(settings_files().values())):
        raise ConfigError("\n".join(wrong))
    checked = {"idp": _sources(PREFIX)}
    if settings_files(prefix=FEES_PREFIX):
        fees.load_settings()
        checked["fees"] = _sources(FEES_PREFIX)
    _print_check({"ok": True, "checked": checked, "warnings": warnings(settings)}, as_json)


def _sources(prefix: str) -> list[str]:
    files = [f"{variable}={file}" for variable, file in settings_files(prefix=prefix).items()]
    return [*files, *overriding_variables(prefix=prefix)]


def _print_check(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for risk in found["warnings"]:
        click.secho(f"warning: {risk}", fg="yellow")
    for application, sources in found["checked"].items():
        click.echo(f"The settings of {application} are valid: the defaults{', '.join(['', *sources])}.")
    if not settings_files():
        click.echo("IDP_CONFIG is not set: no settings file was checked.")


@config.command(name="example")
@click.argument("application", type=click.Choice(["idp", "fees"]), default="idp")
def print_example(application: str) -> None:
    """Print every setting with its default and meaning. The fees application has a file of its own."""
    click.echo(example(SECTIONS if application == "idp" else fees.SECTIONS))
