"""`idp schedules`: list the worker's schedules, and run one now."""

from datetime import datetime
from typing import Any

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.app.schedules import timetable
from idp.audit.events import shell_actor
from idp.cli.support import Group, add_row, console, current_actor, json_option, pass_idp, print_json, when
from idp.jobs.schedule_queries import SKIPPED, told_firing
from idp.jobs.schedules import next_due

NAMES = ("pick-up", "sync", "everything")


@click.group(cls=Group)
def schedules() -> None:
    """List and run schedules.

    pick-up imports exports, sync reconciles at noon, everything compares all targets once a week.
    """


@schedules.command(name="list")
@json_option
@pass_idp
def list_all(installation: Idp, as_json: bool) -> None:
    """List schedules: when each was due last, its outcome, and when it is due next."""
    facts = [_facts(installation, name) for name in NAMES]
    if as_json:
        print_json(facts)
        return
    table = Table("schedule", "next", "last", "state", "outcome", box=None, header_style="bold")
    for schedule in facts:
        moments = (_when(schedule[key], installation) for key in ("next_at", "last_at"))
        note = schedule["note"] or ("was due before this installation started" if schedule["state"] == SKIPPED else "")
        add_row(table, schedule["name"], *moments, schedule["state"], note)
    console().print(table)


@schedules.command(name="run")
@click.argument("name", type=click.Choice(NAMES))
@json_option
@pass_idp
def run_one(installation: Idp, name: str, as_json: bool) -> None:
    """Run a schedule now. Its times stay the same. Exit code 1 when a plan awaits approval."""
    done = timetable(installation, shell_actor()).run_now(name, current_actor())
    if as_json:
        print_json({"name": name, "note": done.note, "run_id": done.run_id, "awaits_approval": done.waits})
    else:
        click.echo(done.note[:1].upper() + done.note[1:] + ".")
        if done.waits:
            click.echo(f"Check the plan, and approve it if it is right: idp runs show {done.run_id}")
    if done.waits:
        raise SystemExit(1)


def _facts(installation: Idp, name: str) -> dict[str, Any]:
    schedule = timetable(installation, "").schedules[name]
    now = installation.clock.now()
    with installation.databases.identity.read() as connection:
        last = told_firing(connection, name, now)
    return {
        "name": name,
        "next_at": next_due(schedule, now, installation.zone),
        "last_at": last.due_at if last else None,
        "state": ("delayed" if last.is_delayed else last.state) if last else "",
        "note": last.note if last else "",
        "run_id": last.run_id if last else "",
    }


def _when(at: datetime | None, installation: Idp) -> str:
    return when(at, installation.zone)
