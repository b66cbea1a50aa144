"""A running demo for tests: in a copy of the project, on its own ports, as a new developer would start it."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
START = (sys.executable, "-m", "deploy.demo")


def copy_project(to: Path) -> Path:
    """Copy what git would keep, and the compiled translations; not the people of somebody's demo."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    compiled = [str(file.relative_to(PROJECT)) for file in (PROJECT / "idp").rglob("*.mo")]
    for name in filter(None, listed + compiled):
        if (PROJECT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, to / name)
    return to


def copy_folder(of: Path, to: Path) -> Path:
    """Copy a folder as a person would; the directory's data file is mostly holes, and cp keeps them."""
    subprocess.run(["cp", "-a", str(of), str(to)], check=True)
    return to


def two_free_ports() -> int:
    """Return a port that is free and whose next one is free, too."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@dataclass
class RunningDemo:
    """One start of the demo in `project`."""

    project: Path
    port: int
    command: tuple[str, ...] = START
    environment: dict[str, str] = field(default_factory=dict)
    ignores_sigint: bool = False
    _process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def access_file(self) -> Path:
        return self.project / "var" / "demo" / "access.json"

    @property
    def access(self) -> dict[str, Any]:
        """What access.json says."""
        access: dict[str, Any] = json.loads(self.access_file.read_text(encoding="utf-8"))
        return access

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return (self.project / f"demo-{self.port}.log").read_text(encoding="utf-8")

    def start(self) -> "RunningDemo":
        """Start it in a process group of its own, as a terminal would; do not wait."""
        with (self.project / f"demo-{self.port}.log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.project,
                env=_environment() | {"IDP_PORT": str(self.port)} | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=_ignore_sigint if self.ignores_sigint else None,
            )
        return self

    def wait_until_ready(self, seconds: float = 180.0) -> "RunningDemo":
        """Return when access.json is there.

        Raises:  AssertionError with what the demo said, when it ends before or takes too long
        """
        end = time.monotonic() + seconds
        process = os.pidfd_open(self.process.pid)
        try:
            while not self.access_file.exists():
                ended = select.select([process], [], [], 0.1)[0]
                assert not ended, f"the demo ended:\n{self.output}"
                assert time.monotonic() < end, f"the demo is not ready after {seconds} s:\n{self.output}"
        finally:
            os.close(process)
        return self

    def end(self) -> None:
        """Stop it at the end of a test, whatever happened in it."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _environment() -> dict[str, str]:
    """Ours without what would change the demo: settings of the shell, and the make that may run the tests."""
    foreign = ("IDP_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _ignore_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
