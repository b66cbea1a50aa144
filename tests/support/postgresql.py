"""The run's PostgreSQL: started by whoever needs it first, shared by all workers, gone with pytest."""

import fcntl
import json
import os
import select
import subprocess
import sys
from pathlib import Path

from deploy.postgresql.private import PrivatePostgres

PROJECT = Path(__file__).parents[2]


def running_postgres(run_folder: Path, controller_pid: int) -> PrivatePostgres:
    """Return the server of this test run; start it if nobody has.

    Raises:  RuntimeError with the server's own words; a missing server fails a test and never skips it
    """
    known = run_folder / "postgresql.json"
    with (run_folder / "postgresql.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            _start_keeper(run_folder, controller_pid, known)
    facts = json.loads(known.read_text())
    return PrivatePostgres(run_folder / "cluster", password=facts["password"], port=facts["port"])


def _start_keeper(run_folder: Path, controller_pid: int, known: Path) -> None:
    log = run_folder / "keeper.log"
    with log.open("wb") as stream:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.keeper", str(controller_pid), str(run_folder)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    (run_folder / "keeper.pid").write_text(str(keeper.pid))
    ended = os.pidfd_open(keeper.pid)
    try:
        # Waits in the kernel, a tenth of a second at most, for the keeper's end; it has not ended: look for its word.
        while not known.exists():
            if select.select([ended], [], [], 0.1)[0]:
                raise RuntimeError("the private PostgreSQL did not start:\n" + log.read_text())
    finally:
        os.close(ended)
    keeper.returncode = 0  # it is left running on purpose: Popen must not complain when it is collected
