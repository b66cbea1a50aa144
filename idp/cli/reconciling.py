"""Bring a person's entries up to date at once, after a command changed the account."""

import click

from idp.app.installation import Idp
from idp.errors import TargetError


def reconcile_at_once(installation: Idp, account_id: str) -> None:
    """Write the person's entries in every target. If a target does not answer, the worker writes there later."""
    try:
        installation.reconcile_person(account_id)
    except TargetError as error:
        click.secho(f"A target could not be written. The worker tries again: {error}", fg="yellow", err=True)
