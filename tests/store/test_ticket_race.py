"""A ticket is good once, however many threads of however many processes ask at the same moment."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from idp.clock import Clock
from idp.db.databases import Databases
from idp.db.raw import RawStore, open_raw
from idp.keys.key_files import Keys
from idp.people.account_queries import load_account
from idp.sso import sessions
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings
from tests.support.counts import Counts
from tests.support.students import Student, add_student
from tests.support.ticket_racer import REGISTRATION, SERVICE, make_service

PROJECT = Path(__file__).parents[2]
PROCESSES, THREADS = 2, 4  # eight threads in two processes


@pytest.fixture
def services(tmp_path: Path) -> Path:
    folder = tmp_path / "services"
    folder.mkdir()
    (folder / "fees.toml").write_text(REGISTRATION, encoding="utf-8")
    return folder


@pytest.fixture
def raw_store(databases: Databases, keys: Keys) -> Iterator[RawStore]:
    add_student(databases, keys, Student("anna", claimed_at=datetime(2026, 9, 20, tzinfo=UTC)))
    raw_store = open_raw(databases)
    yield raw_store
    raw_store.close()


def test_of_parallel_validations_in_two_processes_exactly_one_succeeds(
    databases: Databases, raw_store: RawStore, services: Path, counts: Counts
) -> None:
    clock = Clock()  # the other processes' clock is the machine's, too
    tickets = issue(databases, raw_store, services, clock, counts.tickets)
    url = databases.settings.postgresql_url
    facts = {
        "folder": str(databases.settings.folder),
        "postgresql_url": url.get_secret_value() if url else "",
        "services": str(services),
        "threads": THREADS,
        "tickets": len(tickets),
    }
    with ExitStack() as stack:
        racers = [stack.enter_context(start()) for _ in range(PROCESSES)]
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n".join([json.dumps(facts), *tickets, ""]))
            racer.stdin.flush()
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        said = [racer.communicate("go\n")[0] for racer in racers]

    assert sorted(one for text in said for one in json.loads(text)) == sorted(tickets)


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.ticket_racer"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def issue(databases: Databases, raw_store: RawStore, services: Path, clock: Clock, count: int) -> list[str]:
    with databases.identity.read() as connection:
        account = load_account(connection, "anna")
    assert account is not None
    settings = SsoSettings()
    started = sessions.start(raw_store, settings, clock, account, Browser())
    session = sessions.find(raw_store, settings, clock, started.token)
    assert session is not None
    service = make_service(databases, raw_store, services, clock)
    application = service.applications.current().by_id["fees"]
    return [service.issue(session, application, SERVICE, from_new_login=True) for _ in range(count)]
