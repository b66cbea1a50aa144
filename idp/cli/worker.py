"""`idp worker`: run the sweeps of one lane, or of all lanes as children, until a signal comes."""

import sys

import click

from idp.app.installation import Idp, open_idp
from idp.app.settings import start_logs
from idp.app.sweeps import engine_runner, sweeps
from idp.cli.children import ChildEnded, Children, Command, Stopped
from idp.cli.support import pass_idp
from idp.jobs.lanes import Lane
from idp.jobs.liveness import Liveness
from idp.jobs.worker import run, run_side_by_side


@click.command()
@click.option("--lane", type=click.Choice([lane.value for lane in Lane]), help="Run only this lane, in this process.")
def worker(lane: str | None) -> None:
    """Run the background work until stopped. With PostgreSQL, several machines may each run a worker.

    The fast lane does what people wait for: sign-outs, closed accounts, letters, people's own changes, the journal. The
    bulk lane imports, applies runs and cleans up. Each lane is a process.
    """
    if lane is None:
        sys.exit(run_lanes())
    work_in(Lane(lane))


def commands() -> list[Command]:
    """Return a command for each lane. A lane that ends is started again."""
    return [
        Command(f"worker ({lane} lane)", [sys.executable, "-m", "idp", "worker", "--lane", lane], restart=True)
        for lane in Lane
    ]


def run_lanes() -> int:
    """Run a child for each lane until a signal comes, and return the exit code."""
    with open_idp():  # an error in settings or databases is printed once, not by each child
        pass
    with Children(say=_say, stop_within_s=6.5) as children:
        try:
            for command in commands():
                children.start(command)
            children.watch()
        except Stopped:
            return 0
        except ChildEnded as ended:
            _say(str(ended))
            return 1


@pass_idp
def work_in(installation: Idp, lane: Lane) -> None:
    """Do the work of one lane in this process."""
    start_logs(installation.settings)
    with Liveness(installation.databases, installation.settings.jobs, installation.clock, lane=lane) as me:
        work = sweeps(installation, lane, me.name)
        if lane is Lane.FAST:
            run_side_by_side(work, installation.settings.jobs)
            return
        runs = engine_runner(installation, me.name)
        try:
            run({"runs": runs, **work}, installation.settings.jobs)
        finally:
            runs.close()


def _say(sentence: str) -> None:
    click.echo(f"idp worker: {sentence}", err=True)
