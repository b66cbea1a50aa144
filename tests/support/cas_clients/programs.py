"""Programs that a test starts in the foreground: they end with the test, and with pytest if that is killed."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

READY_WITHIN_S, STOPPED_WITHIN_S = 60.0, 15.0


class DidNotStart(Exception):
    """A program ended, or was not ready in time; the text holds its last words."""


class Program:
    """One running program with a log of its own, in a process group of its own."""

    def __init__(self, log: Path, words: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", *words],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Return when `is_ready`. Raises: DidNotStart"""
        end = time.monotonic() + READY_WITHIN_S
        process = os.pidfd_open(self._process.pid)
        try:
            while not is_ready():
                # Waits in the kernel for the program's end, which would be bad news.
                if select.select([process], [], [], 0.02)[0] or time.monotonic() > end:
                    raise DidNotStart(self._log.read_text(errors="replace")[-4000:])
        finally:
            os.close(process)

    def stop(self) -> None:
        """End it with all that it started; a repeat is harmless."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOPPED_WITHIN_S)
        with suppress(ProcessLookupError):  # as a rule nobody of the group is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
