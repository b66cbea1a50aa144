"""kill -9 at random moments and at every moment of a run: resumed, it ends exactly as the undisturbed run does."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from idp.db.databases import Databases, open_databases
from idp.db.settings import StoreSettings
from idp.keys.key_files import Keys
from idp.people.tables import person_change
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run, result_of
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import RunState
from idp.provisioning.tables import target_state
from idp.provisioning.values import Change, Entry
from tests.support.actors import shell
from tests.support.counts import Counts
from tests.support.provisioning import add_students, change_person, change_status, make_provisioner
from tests.support.students import Student

PROJECT = Path(__file__).parents[2]
SETTINGS: dict[str, Any] = {"batch": 40, "canary": 10}


@dataclass
class Killer:
    """Carries out runs in processes that are killed."""

    process: subprocess.Popen[str]

    def carry_out(self, folder: Path, run_id: str, at: int = 0) -> int | None:
        """Return how many moments a run had; None when it was killed at moment `at`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"folder": str(folder), "run": run_id, "at": at}) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().split()
        assert said, "the process that forks has ended"
        assert said[0] in ("killed", "done"), said
        return int(said[1]) if said[0] == "done" else None


@pytest.fixture
def killer(tmp_path: Path, directory: PrivateSlapd) -> Iterator[Killer]:
    """Everything imported once; each run is a fork."""
    facts = {
        "directory": json.loads(directory.settings.model_dump_json()),
        "password": directory.password("provisioning"),
        "provisioning": SETTINGS,
    }
    file = tmp_path / "killer.json"
    file.write_text(json.dumps({"folder": "", **facts}))
    words = [sys.executable, "-m", "tests.support.kill_child", str(file)]
    with subprocess.Popen(words, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class World:
    """A store in which a run is planned, and the directory as it was then; both as often as wanted."""

    planned: Path
    run_id: str
    before: list[Entry]
    directory: PrivateSlapd
    copies: int = 0

    def again(self) -> Path:
        """Return the folder of a store, and bring the directory back to where both were."""
        self.directory.reset()
        with provisioner_over(self.planned, self.directory) as provisioner:
            outcomes = list(provisioner.targets["ldap"].apply(Change.create(entry) for entry in self.before))
        assert all(outcome.error is None for outcome in outcomes)
        self.copies += 1
        return Path(shutil.copytree(self.planned, self.planned.with_name(f"store-{self.copies}")))

    def state_of(self, folder: Path) -> dict[str, Any]:
        """Return everything that a run leaves behind, without moments and names that are new each time."""
        with provisioner_over(folder, self.directory) as provisioner:
            entries = sorted((entry.person_id, entry.digest) for entry in provisioner.targets["ldap"].read())
            with provisioner.databases.identity.read() as connection:
                columns = [target_state.c[name] for name in ("person_id", "desired", "applied", "state", "attempts")]
                states = connection.execute(select(*columns).order_by(target_state.c.person_id)).all()
                marks = connection.execute(select(person_change.c.person_id)).all()
                became = run_queries.count_changes(connection, self.run_id)
            run = result_of(provisioner, self.run_id).run
        return {
            "entries": entries,
            "states": [tuple(row) for row in states],
            "marks": marks,
            "changes": became,
            "state": run.state,
        }


@contextmanager
def provisioner_over(folder: Path, directory: PrivateSlapd) -> Iterator[Provisioner]:
    """Yield the steps over a store in a folder."""
    databases = open_databases(StoreSettings(folder=folder))
    made = make_provisioner(databases, directory, Clock(), **SETTINGS)
    try:
        yield made
    finally:
        made.close()
        databases.close()


def make_world(databases: Databases, directory: PrivateSlapd, keys: Keys, people: int) -> World:
    """Return a plan that makes a third of the people, changes a third, and shuts some of the others."""
    everybody = [Student(f"{number:032x}", album=str(10_000 + number)) for number in range(people)]
    first = everybody[: 2 * people // 3]
    provisioner = make_provisioner(databases, directory, Clock(), **SETTINGS)
    try:
        add_students(databases, keys, first)
        assert apply_run(provisioner, make_plan(provisioner, shell("test")).run_id, shell("test")).is_complete
        before = list(provisioner.targets["ldap"].read())
        for student in first[: people // 3]:
            change_person(databases, student.person_id, surname="Nowak")
        for student in first[people // 3 : people // 2]:
            change_status(databases, student.person_id, "suspended")
        add_students(databases, keys, everybody[len(first) :])
        run_id = make_plan(provisioner, shell("test")).run_id
    finally:
        provisioner.close()
    databases.close()  # what is in memory goes to the files, which are copied
    return World(databases.settings.folder, run_id, before, directory)


def test_a_run_killed_again_and_again_ends_as_the_undisturbed_run_does(
    databases: Databases, directory: PrivateSlapd, keys: Keys, counts: Counts, killer: Killer
) -> None:
    chance = random.Random(counts.seed)  # noqa: S311 - moments, not secrets
    world = make_world(databases, directory, keys, counts.run_people)
    folder = world.again()
    moments = killer.carry_out(folder, world.run_id)
    assert moments is not None
    undisturbed = world.state_of(folder)
    assert undisturbed["state"] == RunState.APPLIED

    killed = 0
    while killed < counts.run_kills:
        folder = world.again()
        # Far enough, now and then, for a whole batch to be noted: else it would never end.
        while killer.carry_out(folder, world.run_id, at=chance.randrange(1, max(150, moments // 4))) is None:
            killed += 1
        assert world.state_of(folder) == undisturbed


def test_a_run_killed_at_any_one_moment_ends_as_the_undisturbed_run_does(
    databases: Databases, directory: PrivateSlapd, keys: Keys, counts: Counts, killer: Killer
) -> None:
    world = make_world(databases, directory, keys, people=30)
    folder = world.again()
    moments = killer.carry_out(folder, world.run_id)
    assert moments is not None
    undisturbed = world.state_of(folder)

    for at in range(1, moments + 1, max(1, moments // counts.run_moments)):
        folder = world.again()
        assert killer.carry_out(folder, world.run_id, at=at) is None
        assert killer.carry_out(folder, world.run_id) is not None
        assert world.state_of(folder) == undisturbed, f"killed at moment {at} of {moments}"
