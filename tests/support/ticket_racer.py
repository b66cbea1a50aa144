"""A process whose threads all validate the same tickets, as fast as they can; prints those that it got.

Standard input: one line of JSON (where the databases are, how many threads), then the tickets, a line each, then "go".
"""

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from idp.applications.registered import RegisteredApplications
from idp.cas.answers import Success
from idp.cas.settings import CasSettings
from idp.cas.tickets import Question, TicketService
from idp.clock import Clock
from idp.db.databases import Databases, open_databases
from idp.db.raw import RawStore, open_raw
from idp.db.settings import StoreSettings
from idp.drivers.http import Outgoing
from idp.people.settings import PeopleSettings
from idp.people.views import PersonValues
from tests.support.keys import shared_keys

SERVICE = "https://fees.example/app"
REGISTRATION = """id = "fees"
name = { pl = "Opłaty", en = "Fees" }
owner = "tests"
url = [{ host = "fees.example", path = "/app" }]
"""


def make_service(databases: Databases, raw_store: RawStore, services: Path, clock: Clock) -> TicketService:
    """Return a ticket service whose tickets live long."""
    keys = shared_keys()
    registered = RegisteredApplications([services], [], clock)
    settings = CasSettings(service_ticket_s=300)
    values = PersonValues.over(databases.identity, PeopleSettings())
    zone = ZoneInfo("Europe/Warsaw")
    return TicketService(raw_store, registered, settings, values, keys, Outgoing(), clock, zone)


def race(service: TicketService, tickets: Sequence[str], threads: int) -> list[str]:
    """Return the tickets that were validated here, once per success."""
    won: list[str] = []
    line = threading.Barrier(threads)

    def run() -> None:
        line.wait()
        won.extend(one for one in tickets if isinstance(service.validate(Question(one, SERVICE)), Success))

    runners = [threading.Thread(target=run) for _ in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    return won


def main() -> None:
    facts = json.loads(sys.stdin.readline())
    url = facts["postgresql_url"]
    settings = StoreSettings(folder=Path(facts["folder"]), postgresql_url=SecretStr(url) if url else None)
    databases = open_databases(settings)
    raw_store = open_raw(databases)
    service = make_service(databases, raw_store, Path(facts["services"]), Clock())
    tickets = [sys.stdin.readline().strip() for _ in range(facts["tickets"])]
    print("ready", flush=True)  # noqa: T201 - the other end of the pipe waits for it
    sys.stdin.readline()
    print(json.dumps(race(service, tickets, facts["threads"])), flush=True)  # noqa: T201 - what the test reads
    raw_store.close()
    databases.close()


if __name__ == "__main__":
    main()
