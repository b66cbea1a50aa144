"""The demo's start, step by step, and the watch over what runs."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from deploy.demo import access, terminal
from deploy.demo.configuration import write_applications, write_settings
from deploy.demo.memory import Memory
from deploy.demo.people import Candidate, anyone_of, candidates
from deploy.demo.places import Places
from deploy.demo.roles import Roles
from deploy.openldap.private import PrivateSlapd
from idp.app.installation import open_idp
from idp.app.settings import Settings, load_settings
from idp.applications.release import RELEASABLE
from idp.cli import idp as idp_command
from idp.cli.children import Child, ChildEnded, Children, Command
from idp.errors import ConfigError

PEOPLE = 300
SEED = 2026
READY_WITHIN_S = 90.0


@dataclass(slots=True)
class Demo:
    """One start of the demo."""

    places: Places
    children: Children
    port: int

    def run(self) -> None:
        """Start everything, publish access.json, and watch until a signal comes.

        Raises:  Stopped; ChildEnded, SlapdFailed, ConfigError when something does not start
        """
        began_at = time.monotonic()
        terminal.say(f"[bold]idp demo[/] in {self.places.folder}")
        slapd = PrivateSlapd(self.places.slapd, dies_with_us=True)
        try:
            slapd.start()
            terminal.step(f"directory: a private slapd on {slapd.url}")
            settings = self._settings(slapd)
            memory = Memory.of(self.places.memory)
            self._records(memory)
            web, fees = self._servers(settings)
            roles = Roles(memory, settings)
            self.children.wait(0)
            unclaimed = self._people(roles)
            urls = self._urls(settings)
            access.publish(self.places.access, access.describe(self.places, slapd, memory, urls, unclaimed))
            self._welcome(memory, urls, unclaimed, time.monotonic() - began_at)
            for child in (web, fees):
                # From now on people look at it: what ends is started again.
                child.command = replace(child.command, restart=True)
            self._watch(slapd)
        finally:
            self.children.stop()
            slapd.stop(timeout_s=2.0)
            _reap()

    def _settings(self, slapd: PrivateSlapd) -> Settings:
        write_settings(self.places, slapd, self.port, self.port + 1)
        write_applications(self.places, self.port + 1, sorted(RELEASABLE))
        os.environ["IDP_CONFIG"] = str(self.places.settings)
        os.environ["IDP_FEES_CONFIG"] = str(self.places.fees_settings)
        # With IDP_CONFIG_EXTRA and the environment laid over it, for this start only.
        settings = load_settings()
        terminal.step("settings, keys and databases")
        self._idp("setup")
        self._idp("fees", "setup")
        return settings

    def _records(self, memory: Memory) -> None:
        """Once: a sample registry export, imported, planned, applied; the same people in the fees application."""
        sample = str(self.places.sample)
        once: list[tuple[str, str, Callable[[], None]]] = [
            ("sample", f"a registry export of {PEOPLE} invented people", self._sample),
            ("import", "importing it; bad rows are quarantined", lambda: self._idp("registry", "import", sample)),
            ("apply", "planning what the directory needs, and applying it", lambda: self._idp("apply", quiet=False)),
            ("fees", "fees: the same students, with charges and payments", self._fees),
        ]
        for name, sentence, step in once:
            if name not in memory:
                terminal.step(sentence)
                step()
                memory.keep(name, True)

    def _sample(self) -> None:
        # As of two days ago: first-years have just been admitted, fees fall due, and the next day's changes are past.
        as_of = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
        made = ("--people", str(PEOPLE), "--seed", str(SEED), "--as-of", as_of)
        for half_made in (self.places.sample, self.places.next_sample):  # a start that was cut short left them
            for file in (half_made, half_made.with_name(half_made.name + ".cases.csv")):
                file.unlink(missing_ok=True)
        self._idp("registry", "sample", *made, str(self.places.sample))
        self._idp("registry", "sample", *made, "--day", "2", str(self.places.next_sample))

    def _fees(self) -> None:
        self._idp("fees", "students", str(self.places.sample))
        self._idp("fees", "demo-data", "--seed", str(SEED))

    def _servers(self, settings: Settings) -> tuple[Child, Child]:
        terminal.step("web server, worker and fees application")
        web = self._start("web", "serve")
        fees = self._start("fees", "fees", "serve")
        self._wait_until_ready(web, f"{self._address(settings)}/readyz")
        self._wait_until_ready(fees, f"http://127.0.0.1:{self.port + 1}/readyz")
        return web, fees

    def _people(self, roles: Roles) -> Candidate:
        with open_idp() as installation:
            unclaimed = candidates(installation, self.places.sample)
        if roles.are_missing:
            terminal.step("a student who has claimed an account, a clerk, two operators, an administrator")
            roles.play(unclaimed)
            with open_idp() as installation:
                unclaimed = candidates(installation, self.places.sample)
        chosen = anyone_of(unclaimed)
        if chosen is None:
            raise ConfigError("everybody in the sample has claimed an account; begin anew with `make demo-reset`")
        return chosen

    def _watch(self, slapd: PrivateSlapd) -> None:
        while True:
            self.children.wait(timeout_s=5.0)
            if slapd.pid is None:
                terminal.note("slapd ended; it starts again")
                slapd.restart()

    def _urls(self, settings: Settings) -> dict[str, str]:
        base_url = settings.web.base_url
        return {
            "base_url": base_url,
            "cas_url": f"{base_url}/cas",
            "fees_url": f"http://localhost:{self.port + 1}",
        }

    def _address(self, settings: Settings) -> str:
        return f"http://{settings.web.host}:{settings.web.port}"

    def _welcome(self, memory: Memory, urls: dict[str, str], unclaimed: Candidate, seconds: float) -> None:
        program = _relative(Path(sys.executable).parent / "idp")
        sample = _relative(self.places.sample)
        idp = f"IDP_CONFIG={_relative(self.places.settings)} {program}"
        terminal.say(f"\n[bold green]Ready[/] after {seconds:.0f} s. Ctrl-C stops everything and keeps the data.")
        terminal.welcome(
            {
                "Where to go": {
                    "eStudent": f"{urls['base_url']}/  (the student portal)",
                    "Fees": f"{urls['fees_url']}/",
                    "Letters": f"{_relative(self.places.letters)}/  (what would be mailed, album numbers first)",
                },
                "Who you can be": {
                    "student": f"{memory['student']['mail']}  {memory['student']['password']}",
                    "clerk": f"{memory['clerk']['mail']}  {memory['clerk']['password']}",
                    "operator": f"{memory['operator-1']['mail']}  {memory['operator-1']['password']}",
                    "another operator": f"{memory['operator-2']['mail']}  {memory['operator-2']['password']}",
                    "administrator": f"{memory['administrator']['mail']}  {memory['administrator']['password']}",
                    "nobody yet": f"album {unclaimed.album}, {unclaimed.given_name} {unclaimed.surname}, "
                    f"born {unclaimed.date_of_birth}, … {unclaimed.id_end}  (Create new account)",
                },
                "What to try": {
                    "where everything stands": f"{idp} status",
                    "what happened": f"{idp} audit",
                    "rows that were refused": f"{idp} registry quarantine",
                    "suspend somebody": "set `status` to suspended and `zmieniono` to now in each of their rows "
                    f"in {sample}, then",
                    "": f"{idp} registry import {sample}",
                    "the registry's next export": f"{idp} registry import {_relative(self.places.next_sample)}",
                    " ": f"{idp} plan  (nothing is left to do: the worker was faster)",
                },
                "For scripts": {"access.json": f"{_relative(self.places.access)}  (addresses, names and passwords)"},
            }
        )

    def _idp(self, *words: str, quiet: bool = True) -> None:
        """Run an `idp` command, in this process: to import everything anew would take longer than most of them do.

        Raises:  Stopped when a signal came meanwhile; ConfigError with the command's last words when it fails
        """
        self.places.logs.mkdir(exist_ok=True)
        log = self.places.logs / "commands.log"
        with log.open("a", encoding="utf-8") as stream, _said_to(stream) if quiet else nullcontext():
            try:
                idp_command.main(list(words), prog_name="idp", standalone_mode=False)
            except SystemExit as end:
                if end.code:
                    stream.flush()
                    raise ConfigError(f"`idp {' '.join(words)}` failed:\n{_tail(log)}") from None
        self.children.wait(0)

    def _start(self, name: str, *words: str) -> Child:
        self.places.logs.mkdir(exist_ok=True)
        log = self.places.logs / f"{name}.log"
        return self.children.start(Command(name, [sys.executable, "-m", "idp", *words], log=log))

    def _wait_until_ready(self, child: Child, url: str) -> None:
        end = time.monotonic() + READY_WITHIN_S
        try:
            while not _answers(url):
                if time.monotonic() > end:
                    raise ConfigError(
                        f"{child.command.name} is not ready after {READY_WITHIN_S:.0f} s.\n{self._log(child)}"
                    )
                self.children.wait(0.1)
        except ChildEnded as ended:
            raise ConfigError(f"{ended}.\n{self._log(child)}") from None

    def _log(self, child: Child) -> str:
        return _tail(child.command.log) if child.command.log else ""


def _reap() -> None:
    """Take the exit codes that nobody asked for: where process 1 is careless, a dead slapd would stay in the list."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@contextmanager
def _said_to(stream: TextIO) -> Iterator[None]:
    with redirect_stdout(stream), redirect_stderr(stream):
        yield


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _tail(file: Path, lines: int = 20) -> str:
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _relative(path: Path) -> Path:
    """As short as it can be copied from the folder where make was started."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
