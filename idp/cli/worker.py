"""`idp worker`: the sweeps, until a signal stops them."""

import click

from idp.app.installation import Idp
from idp.app.settings import start_logs
from idp.app.sweeps import carrier, sweeps
from idp.cli.support import pass_idp
from idp.jobs.liveness import Liveness
from idp.jobs.worker import run


@click.command()
@pass_idp
def worker(installation: Idp) -> None:
    """Run the sweeps and carry out runs until stopped; on one machine or on many with one PostgreSQL database."""
    start_logs(installation.settings)
    with Liveness(installation.databases, installation.settings.jobs, installation.clock) as me:
        runs = carrier(installation, me.name)
        try:
            run({"runs": runs, **sweeps(installation, me.name)}, installation.settings.jobs)
        finally:
            runs.close()
