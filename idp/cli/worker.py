"""`idp worker`: the sweeps, until a signal stops them."""

import click

from idp.app.installation import Idp
from idp.app.settings import start_logs
from idp.app.sweeps import sweeps
from idp.cli.support import pass_idp
from idp.jobs.worker import run


@click.command()
@pass_idp
def worker(installation: Idp) -> None:
    """Run the sweeps until stopped."""
    start_logs(installation.settings)
    run(sweeps(installation), installation.settings.jobs, installation.clock)
