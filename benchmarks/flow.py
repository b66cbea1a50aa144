"""What one single sign-on flow costs: one thread, in this process, without a web server.

    .venv/bin/python -m benchmarks.flow [--postgresql] [--flows 3000] [--slow] [--profile]

A session gets a ticket, its application validates it: two requests through the fast path, on SQLite or a private
PostgreSQL in a temporary folder. Processor time is of this process alone, so it can be compared on a busy machine.

    --slow      with a change of everybody's records that was not computed yet: the stored views do not count
    --profile   print where the time goes
"""

import argparse
import cProfile
import json
import os
import pstats
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import select, update

from benchmarks.cas import PROJECT, SERVICE, SERVICES
from benchmarks.machine import describe
from deploy.postgresql.private import PrivatePostgres
from idp.app.installation import Idp, open_idp
from idp.cas.wsgi_fast_path import WsgiFastPath
from idp.people.account_queries import Key, find_account
from idp.people.change_queries import queue_recompute
from idp.people.status import Access
from idp.people.tables import account, person
from idp.provisioning.recompute import recompute_changed
from idp.sso import sessions
from idp.sso.sessions import Browser

QUOTED = quote(SERVICE, safe="")
PEOPLE = 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--flows", type=int, default=3000)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    print("\n".join(describe()))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idp-flow-", dir="/var/tmp")))
        folder.chmod(0o755)
        url = ""
        if asked.postgresql:
            url = stack.enter_context(PrivatePostgres(folder / "pg")).url("postgres")
        os.environ["IDP_CONFIG"] = str(_installation(folder, url))
        for words in (
            ("registry", "sample", str(folder / "export.csv"), "--people", str(PEOPLE), "--seed", "1"),
            ("setup",),
            ("registry", "import", str(folder / "export.csv")),
        ):
            subprocess.run([sys.executable, "-m", "idp", *words], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        idp = stack.enter_context(open_idp())
        flow = Flow(idp, people=_claim(idp, slow=asked.slow))
        flow.run(200)
        for _ in range(3):
            print(flow.run(asked.flows))
        if asked.profile:
            profile = cProfile.Profile()
            profile.runcall(flow.run, asked.flows)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    return 0


class Flow:
    """Signed-in browsers, and an application that validates."""

    def __init__(self, idp: Idp, people: Sequence[str]) -> None:
        self._path = WsgiFastPath(_nobody, idp.sign_on, idp.ticket_service, idp.settings.web)
        with idp.databases.identity.read() as connection:
            accounts = [find_account(connection, Key.UID, uid) for uid in people]
        started = [
            sessions.start(idp.raw_store, idp.settings.sso, idp.clock, account, Browser("127.0.0.1", "bench"))
            for account in accounts
            if account is not None
        ]
        self._cookies = [f"idp_sso={one.token}" for one in started]
        self._headers: list[tuple[str, str]] = []

    def run(self, flows: int) -> str:
        """Run so many flows and say what one cost."""
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(flows):
            self._once(self._cookies[number % len(self._cookies)])
        cpu_ms, wall_ms = 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)
        return f"{flows} flows: {cpu_ms / flows:.3f} ms of processor time each, {wall_ms / flows:.3f} ms in all"

    def _once(self, cookie: str) -> None:
        self._ask("/cas/login", f"service={QUOTED}", cookie)
        location = dict(self._headers)["Location"]
        found = re.search("ticket=(ST-[A-Z2-7]+)", location)
        assert found is not None
        body = self._ask("/cas/p3/serviceValidate", f"service={QUOTED}&ticket={found[1]}", "")
        assert b"authenticationSuccess" in body, body

    def _ask(self, path: str, query: str, cookie: str) -> bytes:
        environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "QUERY_STRING": query, "HTTP_COOKIE": cookie}
        return b"".join(self._path(environ, self._start_response))

    def _start_response(self, _status: str, headers: list[tuple[str, str]]) -> None:
        self._headers = headers


def _nobody(environ: dict[str, str], _start_response: object) -> Sequence[bytes]:
    raise SystemExit(f"the fast path passed {environ['PATH_INFO']} on")


def _installation(folder: Path, url: str) -> Path:
    (folder / "applications").mkdir()
    (folder / "applications" / "fees.toml").write_text(SERVICES)
    store = f"postgresql_url = {json.dumps(url)}" if url else 'folder = "data"'
    lines = ["[web]", 'base_url = "http://127.0.0.1"', "[store]", store, "[keys]", 'folder = "keys"']
    lines += ["[applications]", 'dirs = ["applications"]', "[letters]", 'transport = "folder"', 'folder = "letters"']
    (folder / "password").write_text("nobody binds\n")
    (folder / "password").chmod(0o600)
    lines += ["[directory]"]
    lines += [f'{who}_password_file = "password"' for who in ("signin", "accounts", "provisioning")]
    (folder / "idp.toml").write_text("\n".join([*lines, ""]))
    return folder / "idp.toml"


def _claim(idp: Idp, *, slow: bool) -> list[str]:
    """Open everybody's account, as claims would, and return the names of students."""
    with idp.databases.identity.write() as connection:
        rows = connection.execute(
            update(account)
            .values(claimed_at=idp.clock.now(), enabled=True, epoch=1)
            .returning(account.c.account_id, account.c.uid)
        ).all()
        queue_recompute(connection, [row.account_id for row in rows])
    recompute_changed(idp.provisioner)
    with idp.databases.identity.write() as connection:
        if slow:
            queue_recompute(connection, [row.account_id for row in rows])
        active = select(person.c.uid).where(person.c.access == Access.ACTIVE).order_by(person.c.uid)
        return list(connection.execute(active).scalars())


if __name__ == "__main__":
    raise SystemExit(main())
