"""Single sign-on under load: the running service with its shipped defaults (CSRF, journal, throttle on).

    .venv/bin/python -m benchmarks.cas [--postgresql] [--clients 1 8 32] [--seconds 5] [--people 64]

`idp serve` (granian and the worker), a private slapd, and SQLite or a private PostgreSQL in a temporary folder. The
client is one process of plain sockets on the same machine; its own CPU is printed, and the flows per second that it
could drive at most, so that nobody takes the client's limit for the service's.
"""

import argparse
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapServer
from idp.store.base import open_databases
from idp.store.people import account
from idp.store.settings import StoreSettings

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
        yield request("/cas/login")
        found = re.search(rb'name="lt" value="([^"]+)"', connection.answer)
        _require(found is not None, connection)
        assert found is not None
        fields = {"lt": found[1].decode(), "username": name, "password": PASSWORD}
        yield request("/cas/login", body=urlencode(fields).encode())
        _require(connection.answer.startswith(b"HTTP/1.1 303"), connection)

    return flow


def logout(name: str) -> Flow:
    """A session that an application has not been told of ends. Its sign-in is part of the flow, see `cold`."""

    def flow(connection: Connection) -> Iterator[bytes]:
        yield from cold(name)(connection)
        yield request("/cas/logout", session_in(connection.answer))
        _require(connection.answer.startswith(b"HTTP/1.1 200"), connection)

    return flow


def session_in(answer: bytes) -> str:
    found = re.search(rb"(idp_sso=[^;]+)", answer)
    if found is None:
        raise SystemExit(f"no session in {answer[:400]!r}")
    return found[1].decode()


def _require(is_right: bool, connection: Connection) -> None:
    if not is_right:
        raise SystemExit(f"not what was expected: {connection.answer[:600]!r}")


# --- the service ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Service:
    """The running service, and whom it knows."""

    process: subprocess.Popen[bytes]
    slapd: PrivateSlapd
    address: tuple[str, int]
    albums: Sequence[str]

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
def running(people: int, postgresql: bool, threads: int | None) -> Iterator[Service]:
    """Yield the service with claimed accounts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idp-cas-", dir="/var/tmp")))
        folder.chmod(0o755)
        slapd = stack.enter_context(PrivateSlapd(folder / "ldap", durable=False, dies_with_us=True))
        url = ""
        if postgresql:
            url = stack.enter_context(PrivatePostgres(folder / "pg")).url("postgres")
        port = _free_port()
        environment = _installation(folder, slapd, port, url, threads)
        for words in (
            ("registry", "sample", str(folder / "export.csv"), "--people", str(people), "--seed", "1"),
            ("setup",),
            ("registry", "import", str(folder / "export.csv")),
            ("apply",),
        ):
            command = [sys.executable, "-m", "idp", *words]
            subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        albums = _claim(folder, slapd, url, people)
        process = subprocess.Popen(
            [sys.executable, "-m", "idp", "serve"],
            cwd=PROJECT,
            env=environment,
            stderr=(folder / "log").open("wb"),
        )
        try:
            began = time.perf_counter()
            _wait_until_it_answers(port)
            print(f"answers {time.perf_counter() - began:.1f} s after its start")
            yield Service(process, slapd, ("127.0.0.1", port), albums)
        finally:
            process.terminate()
            process.wait()


def _installation(folder: Path, slapd: PrivateSlapd, port: int, url: str, threads: int | None) -> dict[str, str]:
    (folder / "services").mkdir()
    (folder / "services" / "fees.toml").write_text(SERVICES)
    store = f'postgresql_url = "{url}"' if url else 'folder = "data"'
    web = [f"blocking_threads = {threads}"] if threads else []
    lines = ["[web]", f"port = {port}", f'base_url = "http://127.0.0.1:{port}"', *web, "[store]", store]
    lines += ["[keys]", 'folder = "keys"', "[cas]", 'services_dirs = ["services"]', "[letters]", 'transport = "folder"']
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
        connection.execute(update(account).values(claimed_at=datetime.now(UTC)))
        rows = connection.execute(select(account.c.uid).where(account.c.enabled).order_by(account.c.uid).limit(people))
        uids = [row.uid for row in rows]
    for uid in uids:
        manager.set_password(slapd.settings.person_dn(uid), hashed)
    manager.close()
    databases.close()
    return uids


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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


def sessions_of(service: Service, count: int) -> list[str]:
    """Sign so many people in, one after the other, and return their session cookies."""
    cookies: list[str] = []

    def keeping(name: str) -> Flow:
        def flow(connection: Connection) -> Iterator[bytes]:
            yield from cold(name)(connection)
            cookies.append(session_in(connection.answer))

        return flow

    for name in service.albums[:count]:
        drive(service.address, [keeping(name)], 0)
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
            assert directory.bind(service.slapd.settings.person_dn(uid), PASSWORD)
            count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(bind, service.albums[:8]))
    directory.close()
    return sum(counts) / seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=["flow", "refused", "cold", "logout"], default=[])
    parser.add_argument("--threads", type=int, help="of each web process; left out: as shipped")
    asked = parser.parse_args()
    print("\n".join(describe()))
    print(f"granian {version('granian')}, {'PostgreSQL' if asked.postgresql else 'SQLite (WAL)'}")
    with running(asked.people, asked.postgresql, asked.threads) as service:
        cookies = sessions_of(service, max(asked.clients))
        print(f"web processes and their parent: {service.memory_mib():.0f} MiB (PSS)\n{HEAD}")
        for name, flows in _scenarios(service, cookies, asked.only):
            for clients in asked.clients:
                print(service.run(name, flows[:clients], asked.seconds).line(), flush=True)
        if not asked.only or "cold" in asked.only:
            print(f"slapd alone binds {slapd_alone(service, asked.seconds):.0f}/s")
        print(f"afterwards: {service.memory_mib():.0f} MiB (PSS), load {os.getloadavg()[0]:.1f}")
    return 0


def _scenarios(service: Service, cookies: list[str], only: list[str]) -> Iterator[tuple[str, list[Flow]]]:
    wanted = only or ["flow", "refused", "cold", "logout"]
    if "flow" in wanted:
        yield "single sign-on", [sign_on(cookie) for cookie in cookies]
    if "refused" in wanted:
        yield "refused validation", [refused for _ in cookies]
    if "cold" in wanted:
        yield "sign-in, form and bind", [cold(name) for name in service.albums]
    if "logout" in wanted:
        yield "sign-in and sign-out", [logout(name) for name in service.albums]


if __name__ == "__main__":
    sys.exit(main())
