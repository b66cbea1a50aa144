"""Start a PostgreSQL in a folder of one's own, on a free loopback port, and stop it again.

initdb and postgres refuse to run as root: then they run as `nobody`, to whom the folder is given. The server dies
with the process that started it, also when that is killed.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.processes import free_port

USER = "idp"

# Nothing here must outlive the machine, so nothing waits for the disk. After `crash` the operating system has what was
# committed; without synchronous_commit the last half second would go, which no real server does.
FAST = ("fsync=off", "full_page_writes=off", "max_connections=200")


class PostgresError(Exception):
    """PostgreSQL is missing or did not start; the text says what to do, or what it said."""


@dataclass
class PrivatePostgres:
    """One throw-away cluster.

    Shape:   with PrivatePostgres(folder) as server: connect(server.url("postgres"))
    Effect:  `folder` is made, given to `nobody` where we are root, and filled; nothing outside it is touched.
             Its parents must be traversable for everybody, and its path short (unix sockets: 107 characters)
    """

    folder: Path
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = 0
    _server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def url(self, database: str) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self, timeout_s: float = 60.0) -> None:
        """Make the cluster and return when it answers.

        Raises:  PostgresError
        """
        programs = find_programs()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        _give_away(self.folder, password_file)
        quick = ["--no-sync", "--no-instructions"]
        access = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={password_file}"]
        self._run(programs / "initdb", "-D", self.folder / "data", "-E", "UTF8", "--locale=C.UTF-8", *access, *quick)
        self.port = free_port()
        self._spawn(programs, timeout_s)

    def crash(self) -> None:
        """End the server at once, without a checkpoint, as a power cut does; `start_again` brings it back."""
        assert self._server is not None
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()

    def start_again(self, timeout_s: float = 60.0) -> None:
        """Start the server after a crash, at its port, and return when it answers."""
        self._spawn(find_programs(), timeout_s)

    def _spawn(self, programs: Path, timeout_s: float) -> None:
        settings = (*FAST, "listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self.folder}")
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603 - our own words and a program found by us
                # SIGINT is PostgreSQL's fast stop; it comes when our process dies, however it dies.
                _as_ordinary_user([programs / "postgres", "-D", self.folder / "data", *options], "--pdeathsig=INT"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(self.folder),
                start_new_session=True,
            )
        self._wait_until_ready(programs, timeout_s)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the server and remove its folder; a repeat is harmless."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)  # at once, without a checkpoint
                self._server.wait()
            self._server = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self, programs: Path, timeout_s: float) -> None:
        ask = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        end = time.monotonic() + timeout_s
        while subprocess.run(ask, env=_environment(self.folder), check=False).returncode != 0:  # noqa: S603 - as above
            if self._has_ended_within(0.05) or time.monotonic() > end:
                raise PostgresError("PostgreSQL did not start:\n" + (self.folder / "log").read_text()[-2000:])

    def _has_ended_within(self, seconds: float) -> bool:
        if self._server is None:
            return True
        try:
            self._server.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(  # noqa: S603 - as above
            _as_ordinary_user(list(command)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environment(self.folder),
            check=False,
        )
        if done.returncode != 0:
            raise PostgresError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def find_programs() -> Path:
    """Return the folder of the newest installed PostgreSQL's programs.

    Raises:  PostgresError when there is none; it names the package
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    for folder in reversed(found):
        if all((folder / name).exists() for name in ("initdb", "postgres", "pg_isready")):
            return folder
    raise PostgresError("No PostgreSQL server is installed: install the package postgresql.")


def _as_ordinary_user(command: Sequence[str | Path], *more: str) -> list[str]:
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *more, *words]
    return ["setpriv", *more, *words] if more else words


def _environment(home: Path) -> dict[str, str]:
    # Nothing of ours: PGHOST, PGDATA and the like would lead it elsewhere.
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(home), "LC_ALL": "C.UTF-8"}


def _give_away(*paths: Path) -> None:
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, "nobody", "nogroup")
