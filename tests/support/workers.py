"""Start, kill, freeze and wake workers that carry out runs, each a process of its own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.provisioning.executor import result_of
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ENDS
from idp.provisioning.run_steps import request
from tests.support.actors import shell

PROJECT = Path(__file__).parents[2]
LOOK_S = 0.05


def until(condition: Callable[[], object], within_s: float = 60.0, why: Callable[[], object] = str) -> float:
    """Return after how many seconds a condition held."""
    began_at = time.monotonic()
    while not condition():
        if time.monotonic() - began_at > within_s:
            raise AssertionError(f"not within {within_s} s: {why()}")
        time.sleep(LOOK_S)
    return time.monotonic() - began_at


@dataclass
class Workers:
    """Workers over one store and one directory; all end with the block."""

    folder: Path
    databases: Databases
    slapd: PrivateSlapd
    told: dict[str, Any] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, **told: Any) -> subprocess.Popen[bytes]:
        """Start a worker and return when it lives."""
        url = self.databases.settings.postgresql_url
        directory = json.loads(self.slapd.settings.model_dump_json())
        facts = {
            "folder": str(self.databases.settings.folder),
            "postgresql_url": url.get_secret_value() if url else None,
            "directory": {**directory, **told.pop("directory", {})},
            "password": self.slapd.password("provisioning"),
            **self.told,
            **told,
        }
        number = len(self.running)
        file = self.folder / f"worker-{number}.json"
        file.write_text(json.dumps(facts))
        with (self.folder / f"worker-{number}.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "tests.support.worker_child", str(file)],
                cwd=PROJECT,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.running.append(child)
        assert child.stdout is not None
        said = child.stdout.readline()
        assert said == b"ready\n", self.log(number)
        return child

    def log(self, number: int = 0) -> str:
        """Return what a worker logged."""
        return (self.folder / f"worker-{number}.log").read_text()

    def end(self) -> None:
        """End all that still run, frozen ones too."""
        for child in self.running:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


@contextmanager
def workers_over(folder: Path, databases: Databases, slapd: PrivateSlapd, **told: Any) -> Iterator[Workers]:
    """Yield a starter of workers."""
    made = Workers(folder, databases, slapd, told)
    try:
        yield made
    finally:
        made.end()


def hand_over(provisioner: Provisioner, run_id: str) -> None:
    """Have workers carry out a run."""
    request(provisioner, run_id, shell("test"))


def written(provisioner: Provisioner, run_id: str, at_least: int) -> Callable[[], bool]:
    """Return a condition: so many changes are made."""
    return lambda: result_of(provisioner, run_id).done >= at_least


def over(provisioner: Provisioner, run_id: str) -> Callable[[], bool]:
    """Return a condition: the run is over."""
    return lambda: result_of(provisioner, run_id).run.state in ENDS


def settled(provisioner: Provisioner, run_id: str) -> int:
    """Return how many changes are made once no more are: nothing new for a second."""
    clock, done, since = provisioner.clock, -1, 0.0
    while True:
        now = result_of(provisioner, run_id).done
        if now != done:
            done, since = now, clock.timestamp()
        elif clock.timestamp() - since > 1.0:
            return done
        time.sleep(LOOK_S)


def events_of(databases: Databases, kind: str, run_id: str) -> int:
    """Return how often something was written down about a run."""
    with databases.identity.read() as connection:
        rows = connection.execute(select(event_pending.c.data).where(event_pending.c.kind == kind)).scalars()
        return sum(run_id in row for row in rows)
