"""How soon a locked account is shut everywhere while the worker imports very many people.

    .venv/bin/python -m benchmarks.lanes [--people 1000000] [--locks 50] [--import-rate 2500] [--postgresql]

The worker runs with both lanes. A full file of --people rows arrives in its inbox. Accounts are locked one by one,
spread over the import. For each one we measure the seconds from the beginning of the lock until

    lock       the transaction of the lock is committed
    sign-in    a sign-in with the right password is refused
    session    the session counts no more
    LDAP       the directory entry is locked
    logout     an application gets the first logout message
    sealing    the journal has the event (counted from the event's own time)

The goal is 5 s for the 99th percentile, and 1 s for sealing. --import-rate is the expected number of people per second:
it decides how far apart the locks are. Everything is in a temporary folder.
"""

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote_plus

from sqlalchemy import select, update

from benchmarks.cas import ARGON2, PASSWORD, TOLD
from benchmarks.machine import describe
from benchmarks.provisioning import PROJECT, Installation
from deploy.openldap.private import PrivateSlapd
from deploy.postgresql.private import PrivatePostgres
from idp.accounts.locks import lock_account
from idp.app.installation import Idp, open_idp
from idp.audit import event_types
from idp.audit.tables import journal
from idp.db.workers import alive
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapServer
from idp.errors import BadCredentials
from idp.people.account_queries import Account, load_account
from idp.people.tables import account
from idp.registry.tables import ImportState, import_run
from idp.sso import sessions
from idp.sso.session_queries import Visited, add_visited, find_session
from idp.sso.sessions import Browser
from idp.sso.tokens import short_token
from tests.support.actors import shell

PROVISIONED = 500  # people who are there before the import, if it is of many more
GOALS_S = {"sealing": 1.0}
GOAL_S = 5.0
POLL_S = 0.02
LONGEST_S = 120.0


@dataclass(slots=True)
class Locked:
    """One account, and when each part had shut it: seconds after the lock began."""

    account: Account
    token: str
    ticket: str
    browser: Browser  # a network each: many refusals from one network ask for the CAPTCHA
    began: float = 0.0
    shut: dict[str, float] = field(default_factory=dict)

    def note(self, part: str) -> None:
        self.shut.setdefault(part, time.perf_counter() - self.began)


PARTS = ("lock", "sign-in", "session", "LDAP", "logout", "sealing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--locks", type=int, default=50)
    parser.add_argument("--import-rate", type=float, default=2_500)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers and the worker end with us
    for line in describe():
        print(line)
    print(f"dbos {version('dbos')}, {'PostgreSQL' if asked.postgresql else 'SQLite'}", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idp-lanes-", dir="/var/tmp")))
        folder.chmod(0o755)  # PostgreSQL runs as somebody else
        slapd = stack.enter_context(PrivateSlapd(folder / "slapd", durable=False, dies_with_us=True))
        store = stack.enter_context(PrivatePostgres(folder / "pg")).url("postgres") if asked.postgresql else ""
        told = stack.enter_context(applications())
        whole = prepare(folder, asked.people, slapd, store)
        os.environ["IDP_CONFIG"] = str(folder / "records" / "idp.toml")
        installation = stack.enter_context(open_idp())
        accounts = claim(installation, slapd, asked.locks)
        locked = [
            sign_in(installation, one, Browser(f"198.18.{number}.1", "benchmark"), told.server_port)
            for number, one in enumerate(accounts)
        ]
        stack.enter_context(worker(folder, installation))
        # The manager sees every attribute.
        directory = Directory(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager"))
        stack.callback(directory.close)
        arrives = folder / "inbox" / "all.csv"
        return measure(installation, directory, whole, arrives, locked, told, asked.people / asked.import_rate)


def prepare(folder: Path, people: int, slapd: PrivateSlapd, store: str) -> Path:
    """Return a file of everybody, after some of them were imported and provisioned."""
    (folder / "inbox").mkdir()
    (folder / "records").mkdir()
    (folder / "applications").mkdir()
    (folder / "applications" / "told0.toml").write_text(TOLD.format(number=0))
    records = Installation.over_nobody(folder / "records")
    more = [f'[registry]\ninbox = "{folder / "inbox"}"', f'[applications]\ndirs = ["{folder / "applications"}"]']
    records.use(slapd, "\n".join([*more, '[web]\nbase_url = "http://127.0.0.1"']), store=store)
    whole, first = folder / "whole.csv", folder / "first.csv"
    records.idp("registry", "sample", str(whole), "--people", str(people), "--seed", "1")
    with whole.open(encoding="utf-8") as source, first.open("w", encoding="utf-8") as target:
        target.write(next(source))
        seen: set[str] = set()
        for line in source:
            seen.add(line.split(";", 1)[0])
            if len(seen) > min(PROVISIONED, people // 2):
                break
            target.write(line)
    records.idp("setup")
    records.idp("registry", "import", str(first))
    records.idp("apply")
    return whole


def claim(installation: Idp, slapd: PrivateSlapd, count: int) -> list[Account]:
    """Return accounts with a password, as their claims would have made them."""
    with installation.databases.identity.write() as connection:
        connection.execute(update(account).values(claimed_at=datetime.now(UTC)))
        chosen = select(account.c.account_id).where(account.c.enabled).order_by(account.c.uid).limit(count)
        ids = connection.execute(chosen).scalars().all()
        found = [one for account_id in ids if (one := load_account(connection, account_id)) is not None]
    manager = Directory(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager"))
    hashed = ARGON2.hash(PASSWORD)
    for one in found:
        manager.set_password(installation.settings.directory.person_dn(one.uid), hashed)
    manager.close()
    return found


def sign_in(installation: Idp, one: Account, browser: Browser, port: int) -> Locked:
    """Return a session that visited an application."""
    checked = installation.sign_on.check_password(one.uid, PASSWORD, browser)
    started = sessions.start(installation.raw_store, installation.settings.sso, installation.clock, checked, browser)
    ticket = short_token("ST-")
    visited = Visited(
        started.session_id, ticket, "cas", "told0", f"http://127.0.0.1:{port}/told0", installation.clock.timestamp()
    )
    with installation.raw_store.lend() as raw, raw.transaction():
        add_visited(raw, visited)
    return Locked(checked, started.token, ticket, browser)


class Applications(ThreadingHTTPServer):
    """An application that is told of sign-outs, and remembers when it was first told of each ticket."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.told: dict[str, float] = {}


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        now = time.perf_counter()
        body = unquote_plus(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert isinstance(self.server, Applications)
        for word in body.replace("<", " ").replace(">", " ").split():
            if word.startswith("ST-"):
                self.server.told.setdefault(word, now)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@contextmanager
def applications() -> Iterator[Applications]:
    server = Applications()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()


@contextmanager
def worker(folder: Path, installation: Idp) -> Iterator[None]:
    """Run both lanes while the block runs."""
    environment = Installation.over_nobody(folder / "records").environment
    with (folder / "worker.log").open("wb") as log:
        command = [sys.executable, "-m", "idp", "worker"]
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)  # noqa: S603 - ours
    try:
        wait_until(lambda: len(lanes(installation)) == 2, "the worker did not start")
        yield
    finally:
        process.terminate()
        process.wait()


def lanes(installation: Idp) -> set[str]:
    with installation.databases.sessions.read() as connection:
        return {one.lane for one in alive(connection, installation.clock.timestamp())}


def wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(otherwise)
        time.sleep(POLL_S)


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(
    installation: Idp,
    directory: Directory,
    whole: Path,
    arrives: Path,
    locked: Sequence[Locked],
    told: Applications,
    expected_s: float,
) -> int:
    """Print what each part took, and return 1 when a goal is missed."""
    started = imports(installation)
    whole.rename(arrives)
    wait_until(lambda: imports(installation) > started, "the import did not begin")
    began, during = time.perf_counter(), 0
    watchers = [threading.Thread(target=watch, args=(installation, directory, locked, told), daemon=True)]
    watchers[0].start()
    for number, one in enumerate(locked):
        time.sleep(max(0.0, began + expected_s * (number + 0.5) / len(locked) - time.perf_counter()))
        during += is_importing(installation)
        one.began = time.perf_counter()
        lock_account(installation.databases, installation.clock, one.account.account_id, shell("benchmark"), "measured")
        one.note("lock")
        watchers.append(threading.Thread(target=try_to_sign_in, args=(installation, one), daemon=True))
        watchers[-1].start()
    for thread in watchers:
        thread.join(LONGEST_S)
    print(f"{len(locked)} locks, {during} of them while the import ran", flush=True)
    return report(locked)


def imports(installation: Idp) -> int:
    with installation.databases.identity.read() as connection:
        return len(connection.execute(select(import_run.c.import_id)).all())


def is_importing(installation: Idp) -> bool:
    running = select(import_run.c.import_id).where(import_run.c.state == ImportState.RUNNING.value)
    with installation.databases.identity.read() as connection:
        return connection.execute(running).first() is not None


def watch(installation: Idp, directory: Directory, locked: Sequence[Locked], told: Applications) -> None:
    """Look again and again where each account is shut, until all are."""
    deadline = time.monotonic() + 3600
    while time.monotonic() < deadline and any(len(one.shut) < len(PARTS) for one in locked):
        open_ones = [one for one in locked if one.began and len(one.shut) < len(PARTS)]
        note_sealed(installation, [one for one in open_ones if "sealing" not in one.shut])
        for one in open_ones:
            if "session" not in one.shut:
                with installation.raw_store.lend() as raw:
                    if find_session(raw, one.token, installation.clock.timestamp()) is None:
                        one.note("session")
            if "LDAP" not in one.shut and directory.is_locked(
                installation.settings.directory.person_dn(one.account.uid)
            ):
                one.note("LDAP")
            if one.ticket in told.told:
                one.shut.setdefault("logout", told.told[one.ticket] - one.began)
        time.sleep(POLL_S)


def note_sealed(installation: Idp, waiting: Sequence[Locked]) -> None:
    """Note whose event the journal has. Its delay counts from the event's own time."""
    by_account = {one.account.account_id: one for one in waiting}
    query = select(journal.c.subject, journal.c.at).where(
        journal.c.subject.in_(by_account), journal.c.kind == event_types.ACCOUNT_LOCKED
    )
    with installation.databases.identity.read() as connection:
        rows = connection.execute(query).all()
    now = installation.clock.timestamp()
    for subject, at in rows:
        by_account[subject].shut.setdefault("sealing", now - at)


def try_to_sign_in(installation: Idp, one: Locked) -> None:
    """Sign in until it is refused."""
    while "sign-in" not in one.shut:
        with suppress(BadCredentials):
            installation.sign_on.check_password(one.account.uid, PASSWORD, one.browser)
            time.sleep(POLL_S)
            continue
        one.note("sign-in")


def report(locked: Sequence[Locked]) -> int:
    """Print the percentiles of each part; a part that never came counts as infinite."""
    missed = 0
    for part in PARTS:
        took = sorted(one.shut.get(part, math.inf) for one in locked)
        p99, goal = percentile(took, 0.99), GOALS_S.get(part, GOAL_S)
        missed += p99 > goal
        verdict = "ok" if p99 <= goal else "MISSED"
        print(
            f"{part:<8} p50 {percentile(took, 0.5):6.2f} s  p99 {p99:6.2f} s  max {took[-1]:6.2f} s"
            f"  goal {goal:g} s {verdict}"
        )
    return 1 if missed else 0


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of all does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


if __name__ == "__main__":
    sys.exit(main())
