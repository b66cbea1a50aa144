"""Runs about which people decide: who is in one stays in it, and everybody else's changes go on."""

from collections.abc import Collection

from idp.provisioning import run_queries as runs
from idp.provisioning.guard import sentence
from idp.provisioning.planning import refresh_those
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run_queries import Run


def waiting_runs(provisioner: Provisioner) -> list[Run]:
    """Return the plans of what the records ask for that wait for approval, the oldest first."""
    with provisioner.databases.identity.read() as connection:
        return [run for run in runs.runs_in(connection, (runs.WAITING,)) if run.kind == runs.SYNC]


def paused_runs(provisioner: Provisioner) -> list[Run]:
    """Return the runs that somebody paused, the oldest first."""
    with provisioner.databases.identity.read() as connection:
        return runs.runs_in(connection, (runs.PAUSED,))


def look_again(provisioner: Provisioner, run_id: str) -> None:
    """Note what is desired now of those in a run whose records changed since."""
    with provisioner.databases.identity.read() as connection:
        refresh_those(provisioner, runs.marked_since(connection, run_id))


def is_overtaken(provisioner: Provisioner, run: Run) -> bool:
    """Return whether anybody in a run should be otherwise by now, as far as that was noted."""
    with provisioner.databases.identity.read() as connection:
        return runs.is_desired_otherwise(connection, run.run_id)


def left_to_people(provisioner: Provisioner, person_ids: Collection[str]) -> dict[str, str]:
    """Return for those of some people whom such a run has as they are desired now, why nobody else writes them.

    Shape:   {"0a…": "run 01a2… waits for approval: ldap disable: 6200 of 6200, limit 124"}
    """
    found: dict[str, str] = {}
    for run in (*waiting_runs(provisioner), *paused_runs(provisioner)):
        with provisioner.databases.identity.read() as connection:
            theirs = runs.kept_among(connection, [run.run_id], person_ids)
        if not theirs or (run.state == runs.WAITING and is_overtaken(provisioner, run)):
            continue
        why = "is paused" if run.state == runs.PAUSED else f"waits for approval: {sentence(run.over)}"
        found |= dict.fromkeys(theirs, f"run {run.run_id} {why}")
    return found
