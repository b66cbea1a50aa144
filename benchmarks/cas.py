"""Single sign-on under load: the running service with its shipped defaults (CSRF, journal, throttle on).

    .venv/bin/python -m benchmarks.cas [--postgresql] [--clients 1 8 32] [--seconds 5] [--only bare flow …]

`idp serve` (granian and the worker), a private slapd, and SQLite or a private PostgreSQL in a temporary folder. The
client is one process of plain sockets on the same machine; its own CPU is printed, and the flows per second that it
could drive at most, so that nobody takes the client's limit for the service's.

    bare      the least that could be called single sign-on (benchmarks.bare), in the same run: what the ratios refer to
    flow      a session gets a ticket, its application validates it
    refused   an application asks about a ticket that is not there
    cold      form, password, bind; and what slapd alone binds
    logout    a session ends: alone, and with three applications that are told and answer
    mixed     flow, while sign-ins keep slapd busy
    kill      kill -9 of every process under load; then: do the issued tickets validate, is every event there?
"""

import argparse
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlencode

from argon2 import PasswordHasher, Type
from sqlalchemy import select, update

from benchmarks.machine import describe
from deploy.openldap.private import PrivateSlapd
from deploy.postgresql.private import PrivatePostgres
from deploy.processes import free_port
from idp.audit.checkpoints import verify
from idp.audit.tables import journal, session_event_pending
from idp.cli.granian import granian_command
from idp.clock import Clock
from idp.db.databases import open_databases
from idp.db.raw import open_raw
from idp.db.settings import StoreSettings
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapServer
from idp.errors import TargetUnavailable
from idp.people.account_queries import Key, find_account
from idp.people.change_queries import queue_recompute
from idp.people.tables import account
from idp.sso import sessions
from idp.sso.session_queries import Visited, add_visited
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings
from idp.sso.tokens import short_token

PROJECT = Path(__file__).parents[1]
SERVICE = "https://fees.po.edu.pl/app?next=%2Fa"
SERVICES = """id = "fees"
name = { pl = "Opłaty", en = "Fees" }
owner = "bench"
attributes = ["mail", "displayName", "album", "eduPersonAffiliation"]
[[url]]
host = "fees.po.edu.pl"
path = "/app"
"""
TOLD = """id = "told{number}"
name = {{ pl = "Aplikacja {number}", en = "Application {number}" }}
owner = "bench"
[[url]]
schemes = ["http"]
host = "127.0.0.1"
port = "*"
path = "/told{number}"
"""
PASSWORD = "correct horse battery staple"  # noqa: S105 - of invented people
ARGON2 = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)
TICKS = os.sysconf("SC_CLK_TCK")


# --- the client -------------------------------------------------------------------------------------------------------


@dataclass
class Connection:
    """One kept connection; a step sends a request and names what looks at the answer."""

    address: tuple[str, int]
    flow: Iterator[bytes]
    answer: bytes = b""
    began: float = 0.0
    stream: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.stream = socket.create_connection(self.address)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass(frozen=True, slots=True)
class Result:
    """What one scenario gave."""

    name: str
    clients: int
    flows: int
    seconds: float
    times_ms: Sequence[float]
    server_s: float
    worker_s: float
    slapd_s: float
    client_s: float

    def line(self) -> str:
        ordered = sorted(self.times_ms)
        p50, p95, p99 = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.95, 0.99))
        ceiling = self.flows / self.client_s if self.client_s else 0
        return (
            f"{self.name:<24}{self.clients:>8}{self.flows / self.seconds:>9.0f}{p50:>8.1f}{p95:>8.1f}{p99:>8.1f}"
            f"{1000 * self.server_s / self.flows:>9.2f}{1000 * self.worker_s / self.flows:>9.2f}"
            f"{1000 * self.slapd_s / self.flows:>9.2f}{1000 * self.client_s / self.flows:>9.2f}{ceiling:>9.0f}"
        )


HEAD = (
    f"{'scenario':<24}{'clients':>8}{'flows/s':>9}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>8}"
    f"{'web s/k':>9}{'worker':>9}{'slapd':>9}{'client':>9}{'ceiling':>9}"
)

Flow = Callable[["Connection"], Iterator[bytes]]


def request(path: str, cookie: str = "", body: bytes = b"") -> bytes:
    """Return a request as bytes."""
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    if body:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def is_whole(answer: bytes) -> bool:
    """Tell whether an answer has come to its end."""
    head, mark, body = answer.partition(b"\r\n\r\n")
    if not mark:
        return False
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if length is None:
        raise SystemExit(f"an answer without a length: {head[:200]!r}")
    return len(body) >= int(length[1])


def drive(address: tuple[str, int], flows: Sequence[Flow], seconds: float) -> tuple[int, float, list[float]]:
    """Run each flow again and again on a connection of its own; return how many ended, in how long, and each one's
    milliseconds."""
    waiting = selectors.DefaultSelector()
    times: list[float] = []
    started = time.perf_counter()
    until = started + seconds
    for flow in flows:
        connection = Connection(address, iter(()))
        _begin(connection, flow)
        waiting.register(connection.stream, selectors.EVENT_READ, (connection, flow))
    busy = len(flows)
    while busy:
        for key, _ in waiting.select():
            connection, flow = key.data
            connection.answer += connection.stream.recv(65536)
            if not is_whole(connection.answer):
                continue
            try:
                asked = next(connection.flow)
                connection.answer = b""
                connection.stream.sendall(asked)
            except StopIteration:
                now = time.perf_counter()
                times.append(1000 * (now - connection.began))
                if now < until:
                    _begin(connection, flow)
                else:
                    waiting.unregister(connection.stream)
                    connection.stream.close()
                    busy -= 1
    return len(times), time.perf_counter() - started, times


def _begin(connection: Connection, flow: Flow) -> None:
    connection.flow, connection.began, connection.answer = flow(connection), time.perf_counter(), b""
    asked = next(connection.flow)
    connection.answer = b""
    connection.stream.sendall(asked)


# --- the flows --------------------------------------------------------------------------------------------------------


def sign_on(cookie: str) -> Flow:
    """A signed-in browser fetches a ticket and the application validates it."""
    ask = request(f"/cas/login?service={quote(SERVICE, safe='')}", cookie)

    def flow(connection: Connection) -> Iterator[bytes]:
        yield ask
        found = re.search(rb"ticket=(ST-[A-Z2-7]+)", connection.answer)
        _require(found is not None, connection)
        assert found is not None
        yield request(f"/cas/p3/serviceValidate?service={quote(SERVICE, safe='')}&ticket={found[1].decode()}")
        _require(b"authenticationSuccess" in connection.answer, connection)

    return flow


def refused(connection: Connection) -> Iterator[bytes]:
    """An application asks about a ticket that is not there."""
    yield request(f"/cas/serviceValidate?service={quote(SERVICE, safe='')}&ticket=ST-{'A' * 29}")
    _require(b"INVALID_TICKET" in connection.answer, connection)


def cold(name: str) -> Flow:
    """A browser opens the form, signs in, and signs out by forgetting its cookies."""

    def flow(connection: Connection) -> Iterator[bytes]:
        while True:
            yield request("/cas/login")
            found = re.search(rb'name="lt" value="([^"]+)"', connection.answer)
            _require(found is not None, connection)
            assert found is not None
            pre_session = re.search(rb"(idp_pre=[A-Z2-7]+)", connection.answer)
            cookie = pre_session[1].decode() if pre_session else ""
            fields = {"lt": found[1].decode(), "username": name, "password": PASSWORD}
            yield request("/cas/login", cookie, urlencode(fields).encode())
            # More at once than may wait: the service says 503 and Retry-After, and the time counts.
            if not connection.answer.startswith(b"HTTP/1.1 503"):
                break
        _require(connection.answer.startswith(b"HTTP/1.1 303"), connection)

    return flow


def logout(cookies: deque[str]) -> Flow:
    """A session ends; each cookie is good for one flow."""

    def flow(connection: Connection) -> Iterator[bytes]:
        yield request("/cas/logout", cookies.popleft())
        _require(connection.answer.startswith(b"HTTP/1.1 200"), connection)

    return flow


def bare(connection: Connection) -> Iterator[bytes]:
    """As `sign_on`, with benchmarks.bare."""
    yield request("/issue")
    ticket = connection.answer.rpartition(b"\r\n\r\n")[2].decode()
    yield request(f"/take?{ticket}")
    _require(connection.answer.endswith(b"yes"), connection)


def _require(is_right: bool, connection: Connection) -> None:
    if not is_right:
        raise SystemExit(f"not what was expected: {connection.answer[:100]!r} … {connection.answer[-500:]!r}")


# --- the service ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Service:
    """The running service, and whom it knows."""

    environment: Mapping[str, str]
    store: StoreSettings
    slapd: PrivateSlapd
    address: tuple[str, int]
    albums: Sequence[str]
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        """Start it, and say how long it took to answer, and to let the first person in."""
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "idp", "serve"], cwd=PROJECT, env=self.environment, stderr=self.log.open("ab")
        )
        _wait_until_it_answers(self.address[1])
        answered = time.perf_counter()
        drive(self.address, [cold(self.albums[0])], 0)
        signed_in = time.perf_counter()
        print(
            f"after its start: answers in {answered - began:.1f} s, has signed somebody in in {signed_in - began:.1f} s"
        )
        # The worker starts beside it; its imports are no part of what a flow costs.
        deadline = time.monotonic() + 60
        while self._worker_is_busy() and time.monotonic() < deadline:
            pass

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def kill(self) -> None:
        """End every process at once, as a power cut would if the kernel survived it."""
        pids = tree(self.process.pid)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _worker_is_busy(self) -> bool:
        before = self._cpu()[1]
        time.sleep(1.0)
        return self._cpu()[1] - before > 0.3

    def run(self, name: str, flows: Sequence[Flow], seconds: float) -> Result:
        """Return what a scenario gave; CPU in seconds per 1,000 flows, the worker (it seals the journal) apart."""
        server, worker = self._cpu()
        slapd, client = cpu_of(self.slapd.pid), time.process_time()
        count, took, times = drive(self.address, flows, seconds)
        return Result(
            name,
            len(flows),
            count,
            took,
            times,
            self._cpu()[0] - server,
            self._cpu()[1] - worker,
            cpu_of(self.slapd.pid) - slapd,
            time.process_time() - client,
        )

    def _cpu(self) -> tuple[float, float]:
        pids = tree(self.process.pid)
        return sum(cpu_of(pid) for pid in pids if not _is_worker(pid)), sum(
            cpu_of(pid) for pid in pids if _is_worker(pid)
        )

    def memory_mib(self) -> float:
        """Return the memory that the web server's processes and their parent have for themselves (PSS)."""
        return sum(pss_kib(pid) for pid in tree(self.process.pid) if not _is_worker(pid)) / 1024


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in tree(int(child)))]


def cpu_of(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_kib(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _is_worker(pid: int) -> bool:
    return b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def running(people: int, postgresql: bool, threads: int | None, ticket_s: int | None = None) -> Iterator[Service]:
    """Yield the service with claimed accounts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idp-cas-", dir="/var/tmp")))
        folder.chmod(0o755)
        slapd = stack.enter_context(PrivateSlapd(folder / "ldap", durable=False, dies_with_us=True))
        url = ""
        if postgresql:
            url = stack.enter_context(PrivatePostgres(folder / "pg")).url("postgres")
        port = free_port()
        environment = _installation(folder, slapd, port, url, threads, ticket_s)
        for words in (
            ("registry", "sample", str(folder / "export.csv"), "--people", str(people), "--seed", "1"),
            ("setup",),
            ("registry", "import", str(folder / "export.csv")),
            ("apply",),
        ):
            command = [sys.executable, "-m", "idp", *words]
            subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        albums = _claim(folder, slapd, url, people)
        # As the worker does after claims: what applications are told is computed once, not at each validation.
        subprocess.run(
            [sys.executable, "-m", "idp", "plan"], cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        settings = StoreSettings.model_validate({"postgresql_url": url} if url else {"folder": folder / "data"})
        service = Service(environment, settings, slapd, ("127.0.0.1", port), albums, folder / "log")
        service.start()
        try:
            yield service
        finally:
            service.stop()


def _installation(
    folder: Path, slapd: PrivateSlapd, port: int, url: str, threads: int | None, ticket_s: int | None
) -> dict[str, str]:
    (folder / "applications").mkdir()
    (folder / "applications" / "fees.toml").write_text(SERVICES)
    for number in range(3):
        (folder / "applications" / f"told{number}.toml").write_text(TOLD.format(number=number))
    store = f'postgresql_url = "{url}"' if url else 'folder = "data"'
    web = [f"blocking_threads = {threads}"] if threads else []
    lines = ["[web]", f"port = {port}", 'base_url = "http://127.0.0.1"', *web, "[store]", store]
    life = [f"service_ticket_s = {ticket_s}"] if ticket_s else []
    lines += ["[keys]", 'folder = "keys"', "[applications]", 'dirs = ["applications"]', "[cas]", *life]
    lines += ["[letters]", 'transport = "folder"']
    lines += ['folder = "letters"', "[directory]"]
    directory = slapd.settings.model_dump(mode="json", exclude_none=True)
    lines += [f"{name} = {json.dumps(value)}" for name, value in directory.items()]
    (folder / "idp.toml").write_text("\n".join([*lines, ""]))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return {**clean, "IDP_CONFIG": str(folder / "idp.toml")}


def _claim(folder: Path, slapd: PrivateSlapd, url: str, people: int) -> list[str]:
    """Give everybody a password, as their claims would, and return their names."""
    settings = StoreSettings.model_validate({"postgresql_url": url} if url else {"folder": folder / "data"})
    databases = open_databases(settings)
    hashed = ARGON2.hash(PASSWORD)
    manager = Directory(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager"))
    with databases.identity.write() as connection:
        claimed = connection.execute(
            update(account).values(claimed_at=datetime.now(UTC)).returning(account.c.account_id)
        )
        queue_recompute(connection, claimed.scalars().all())
        rows = connection.execute(select(account.c.uid).where(account.c.enabled).order_by(account.c.uid).limit(people))
        uids = [row.uid for row in rows]
    for uid in uids:
        manager.set_password(slapd.settings.person_dn(uid), hashed)
    manager.close()
    databases.close()
    return uids


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(request("/healthz"))
                if connection.recv(100).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the service did not start")


def sessions_of(service: Service, count: int, told_at: int = 0) -> list[str]:
    """Write so many sessions, as sign-ins would, and return their cookies.

    Shape:   told_at: the port of an application that each session has visited three times over; 0 for none
    """
    databases, clock, cookies = open_databases(service.store), Clock(), []
    settings = SsoSettings(sessions_per_account=1_000_000)
    raw_store = open_raw(databases)
    with databases.identity.read() as connection:
        accounts = [find_account(connection, Key.UID, uid) for uid in service.albums]
    for number in range(count):
        account = accounts[number % len(accounts)]
        assert account is not None
        started = sessions.start(raw_store, settings, clock, account, Browser("127.0.0.1", "bench"))
        cookies.append(f"idp_sso={started.token}")
        if told_at:
            with raw_store.lend() as raw, raw.transaction():
                for each in range(3):
                    address = f"http://127.0.0.1:{told_at}/told{each}"
                    add_visited(
                        raw,
                        Visited(
                            started.session_id, short_token("ST-"), "cas", f"told{each}", address, clock.timestamp()
                        ),
                    )
    raw_store.close()
    databases.close()
    return cookies


def slapd_alone(service: Service, seconds: float) -> float:
    """Return the binds per second that slapd answers by itself, eight at a time."""
    from concurrent.futures import ThreadPoolExecutor  # late: one scenario needs it

    directory = Directory(
        LdapServer(service.slapd.url), service.slapd.service_dn("signin"), service.slapd.password("signin")
    )
    until = time.perf_counter() + seconds

    def bind(uid: str) -> int:
        count = 0
        while time.perf_counter() < until:
            with suppress(TargetUnavailable):  # on a crowded machine a bind may outlast its time
                assert directory.bind(service.slapd.settings.person_dn(uid), PASSWORD)
                count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(bind, service.albums[:8]))
    directory.close()
    return sum(counts) / seconds


# --- scenarios --------------------------------------------------------------------------------------------------------

SCENARIOS = ("bare", "flow", "refused", "cold", "logout", "mixed", "kill")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    clients: Sequence[int]
    seconds: float
    people: int
    only: Sequence[str]
    threads: int | None
    postgresql: bool

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=[])
    parser.add_argument("--threads", type=int, help="of each web process; left out: as shipped")
    asked = Asked(**vars(parser.parse_args()))
    print("\n".join(describe()))
    print(f"granian {version('granian')}, {'PostgreSQL' if asked.postgresql else 'SQLite (WAL)'}")
    if asked.only != ["kill"]:
        with running(asked.people, asked.postgresql, asked.threads) as service:
            print(f"web processes and their parent: {service.memory_mib():.0f} MiB (PSS)\n{HEAD}")
            _measure(service, asked)
            print(f"afterwards: {service.memory_mib():.0f} MiB (PSS), load {os.getloadavg()[0]:.1f}")
    if asked.wants("kill"):
        with running(asked.people, asked.postgresql, asked.threads, ticket_s=300) as service:
            kill_everything(service, asked.seconds)
    return 0


def _measure(service: Service, asked: Asked) -> None:
    cookies = sessions_of(service, max(asked.clients))
    if asked.wants("bare"):
        with bare_service() as (address, pid):
            for clients in asked.clients:
                print(bare_result(address, pid, clients, asked.seconds).line(), flush=True)
    plain: list[tuple[str, list[Flow]]] = [
        ("flow", [sign_on(cookie) for cookie in cookies]),
        ("refused", [refused for _ in cookies]),
        ("cold", [cold(name) for name in service.albums]),
    ]
    for name, flows in plain:
        for clients in asked.clients if asked.wants(name) else ():
            print(service.run(NAMES[name], flows[:clients], asked.seconds).line(), flush=True)
    if asked.wants("cold"):
        print(f"slapd alone binds {slapd_alone(service, asked.seconds):.0f}/s")
    if asked.wants("logout"):
        _measure_logout(service, asked)
    if asked.wants("mixed"):
        for clients in asked.clients:
            storm = [cold(name) for name in service.albums[-8:]]
            thread = threading.Thread(target=drive, args=(service.address, storm, asked.seconds + 1))
            thread.start()
            time.sleep(0.5)
            print(service.run("single sign-on, mixed", plain[0][1][:clients], asked.seconds).line(), flush=True)
            thread.join()


NAMES = {"flow": "single sign-on", "refused": "refused validation", "cold": "sign-in, form and bind"}


def _measure_logout(service: Service, asked: Asked) -> None:
    with receiver() as port:
        for name, told_at, guess in (("sign-out", 0, 1500), ("sign-out, three told", port, 400)):
            for clients in asked.clients:
                # More than can be ended in the time; a flow that finds no session left ends the run.
                left = deque(sessions_of(service, int(guess * asked.seconds), told_at))
                flows = [logout(left) for _ in range(clients)]
                print(service.run(name, flows, asked.seconds).line(), flush=True)


@contextmanager
def receiver() -> Iterator[int]:
    """Yield the port of three applications that are told of sign-outs."""
    words = [sys.executable, "-m", "benchmarks.receiver"]
    process = subprocess.Popen(words, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@contextmanager
def bare_service() -> Iterator[tuple[tuple[str, int], int]]:
    """Yield where benchmarks.bare answers, in two processes like the service, and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # a disk, as the service has
        words = granian_command("benchmarks.bare:create_app", "127.0.0.1", port, 2, 4)
        environment = {**os.environ, "IDP_BENCH_BARE": f"{folder}/bare.db"}
        process = subprocess.Popen(words, cwd=PROJECT, env=environment)  # noqa: S603 - ours
        try:
            _wait_until_it_answers(port)
            yield ("127.0.0.1", port), process.pid
        finally:
            process.terminate()
            process.wait()


def bare_result(address: tuple[str, int], pid: int, clients: int, seconds: float) -> Result:
    def cpu() -> float:
        return sum(cpu_of(one) for one in tree(pid))

    server, client = cpu(), time.process_time()
    count, took, times = drive(address, [bare] * clients, seconds)
    return Result("bare", clients, count, took, times, cpu() - server, 0, 0, time.process_time() - client)


def kill_everything(service: Service, seconds: float) -> None:
    """Kill every process under load; say whether what was acknowledged is kept."""
    cookies = sessions_of(service, 8)
    numbers: list[str] = []  # of acknowledged requests; the journal's events carry them
    tickets: list[str] = []  # handed out and not validated
    killed = threading.Event()

    def issue_and_validate(cookie: str) -> None:
        with suppress(OSError), socket.create_connection(service.address) as stream:
            for turn in range(10**9):
                answer = exchange(stream, request(f"/cas/login?service={quote(SERVICE, safe='')}", cookie))
                found = re.search(rb"ticket=(ST-[A-Z2-7]+)", answer)
                if found is None:
                    return
                numbers.append(number_of(answer))
                if turn % 3 == 0 or killed.is_set():
                    tickets.append(found[1].decode())
                    continue
                path = f"/cas/p3/serviceValidate?service={quote(SERVICE, safe='')}&ticket={found[1].decode()}"
                answer = exchange(stream, request(path))
                if b"authenticationSuccess" not in answer:
                    return
                numbers.append(number_of(answer))

    threads = [threading.Thread(target=issue_and_validate, args=(cookie,)) for cookie in cookies]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    service.kill()
    for thread in threads:
        thread.join()
    service.start()
    good = 0
    with socket.create_connection(service.address) as stream:
        for ticket in tickets:
            path = f"/cas/p3/serviceValidate?service={quote(SERVICE, safe='')}&ticket={ticket}"
            answer = exchange(stream, request(path))
            good += b"authenticationSuccess" in answer
            numbers.append(number_of(answer))
    print(f"killed every process under load: {good} of {len(tickets)} tickets handed out before it validate after it")
    missing, rows, broken = missing_events(service, set(numbers))
    print(
        f"{len(set(numbers))} acknowledged requests, {missing} without their event; journal of {rows} rows: "
        f"{'broken' if broken else 'whole'}"
    )


def exchange(stream: socket.socket, asked: bytes) -> bytes:
    """Return the answer to a request. Raises: OSError when the other side is gone"""
    stream.sendall(asked)
    answer = b""
    while not is_whole(answer):
        got = stream.recv(65536)
        if not got:
            raise ConnectionResetError
        answer += got
    return answer


def number_of(answer: bytes) -> str:
    found = re.search(rb"x-request-id: ([^\r]+)", answer, re.IGNORECASE)
    return found[1].decode() if found else "-"


def missing_events(service: Service, numbers: set[str]) -> tuple[int, int, bool]:
    """Return how many requests have no event in the journal once it is sealed, its rows, and whether it is broken."""
    databases = open_databases(service.store)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with databases.sessions.read() as connection:
            if connection.execute(select(session_event_pending.c.event_id).limit(1)).first() is None:
                break
        time.sleep(0.2)
    with databases.identity.read() as connection:
        kept = set(connection.execute(select(journal.c.correlation_id).distinct()).scalars())
    verdict = verify(databases)
    databases.close()
    return len(numbers - kept), verdict.checked, not verdict.is_whole


if __name__ == "__main__":
    sys.exit(main())
