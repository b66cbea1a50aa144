"""Carry out runs in forked processes that kill themselves at a given moment: `python -m tests.support.kill_child FILE`.

FILE as for worker_child. Each line of standard input is JSON, {"folder": …, "run": …, "at": n}; the answer is a line:
"killed", or "done n" with the number of moments that there were. Moments are every commit, before and after it, every
call of the target and every outcome that it yields: whatever happens between two of them happened to nobody.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import event

from idp.provisioning.executor import apply_run
from idp.provisioning.target import Stage, Target
from idp.provisioning.values import Change, Entry, Outcome
from tests.support.actors import shell
from tests.support.worker_child import provisioner_of

Tick = Callable[[], None]


@dataclass(frozen=True)
class Watched:
    """A target that ticks at everything that it does."""

    inner: Target
    tick: Tick

    @property
    def kind(self) -> str:
        return self.inner.kind

    @property
    def stage(self) -> Stage:
        return self.inner.stage

    @property
    def entry_name(self) -> str:
        return self.inner.entry_name

    @property
    def attributes(self) -> Mapping[str, str | tuple[str, ...]]:
        return self.inner.attributes

    def read(self, person_ids: Sequence[str] | None = None, names: Mapping[str, str] | None = None) -> Iterator[Entry]:
        self.tick()
        yield from self.inner.read(person_ids, names)

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        self.tick()
        for outcome in self.inner.apply(changes):
            self.tick()
            yield outcome

    def read_one(self, person_id: str, name: str) -> Entry | None:
        return self.inner.read_one(person_id, name)

    def apply_one(self, change: Change) -> Outcome:
        return self.inner.apply_one(change)

    def ping(self) -> None:
        self.inner.ping()

    def close(self) -> None:
        self.inner.close()


def carry_out(told: dict[str, Any], run_id: str, at: int) -> int:
    """Carry out a run and return how many moments there were; at moment `at` we are killed."""
    seen = 0

    def tick(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    provisioner = provisioner_of(told)
    for database in (provisioner.databases.identity, provisioner.databases.sessions):
        event.listen(database.engine, "commit", tick)
        event.listen(database.engine, "begin", tick)  # also the moment after the commit before
    targets = {kind: Watched(target, tick) for kind, target in provisioner.targets.items()}
    apply_run(replace(provisioner, targets=targets), run_id, shell("child"))
    return seen


def main(file: Path) -> None:
    """Answer line by line; everything is imported once, and each run is a process of its own."""
    told = json.loads(file.read_text())
    os.write(1, b"ready\n")
    for line in sys.stdin:
        asked = json.loads(line)
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            count = carry_out({**told, "folder": asked["folder"]}, asked["run"], asked["at"])
            os.write(writing, str(count).encode())
            os._exit(0)
        os.close(writing)
        said = os.read(reading, 100)
        os.close(reading)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            os.write(1, b"killed\n")
        else:
            os.write(1, b"done " + said + b"\n" if status == 0 else b"failed\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
