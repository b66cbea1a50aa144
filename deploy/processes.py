"""Servers of our own as processes: found by the file that holds their number, started one at a time, ended in time."""

import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pid_in(file: Path, word: bytes) -> int | None:
    """Return the process id in a file, or None; `word` is one of the process's command line.

    The number may have gone to another process meanwhile: only one that was started with our word is ours.
    """
    try:
        pid = int(file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if word in words else None


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep two starters apart. Not inherited: the server would hold the lock as long as it runs."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def end_process(pid: Callable[[], int | None], timeout_s: float) -> None:
    """End a process by SIGTERM, and by SIGKILL when it is still there after so many seconds."""
    for word in (signal.SIGTERM, signal.SIGKILL):
        found = pid()
        if found is None:
            return
        try:
            os.kill(found, word)
            wait_for_end(found, timeout_s)
        except ProcessLookupError:
            return


def wait_for_end(pid: int, seconds: float) -> bool:
    """Return whether the process ended in time; a zombie has ended, and it need not be our child."""
    process = os.pidfd_open(pid)
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)
