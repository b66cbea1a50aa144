"""One and two workers on PostgreSQL over a directory that is 20 ms away, for benchmarks.provisioning."""

import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from deploy.openldap.private import PrivateSlapd
from deploy.postgresql.private import PrivatePostgres

if TYPE_CHECKING:
    from benchmarks.provisioning import Installation

PROJECT = Path(__file__).parents[1]
ROUND_TRIP_S = 0.02
IN_FLIGHT = 4  # per portion: of more, two cores are the limit and not the distance


def two_workers(folder: Path, records: "Installation", say: Callable[[str], None]) -> None:
    """Load the same people by one worker and by two, and say how much faster that was."""
    took = {}
    with (
        PrivatePostgres(folder / "pg") as server,
        PrivateSlapd(folder / "slapd", durable=False, dies_with_us=True) as slapd,
    ):
        line = LateLine(slapd.port, ROUND_TRIP_S / 2)
        for count in (1, 2):
            slapd.reset()
            took[count] = _load_by(count, folder, records, server, slapd, line)
            say(f"  {count} worker{'s' * (count - 1)}: {took[count]:.1f} s from the first to the last write")
        line.close()
    say(f"  two are {took[1] / took[2]:.2f} times as fast as one")


def _load_by(
    count: int, folder: Path, records: "Installation", server: PrivatePostgres, slapd: PrivateSlapd, line: "LateLine"
) -> float:
    name = f"workers_{count}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = server.url(name)
    here = records.over(folder / name)
    here.use(slapd, f"[targets.ldap]\nin_flight = {IN_FLIGHT}\n", url=f"ldap://127.0.0.1:{line.port}", store=url)
    here.idp("setup")
    here.step("import", str(records.export))
    run_id = here.step("plan").said["run_id"]
    workers = []
    try:
        for number in range(count):
            with (folder / f"{name}-{number}.log").open("wb") as log:
                command = [sys.executable, "-m", "idp", "worker", "--lane", "bulk"]
                workers.append(subprocess.Popen(command, cwd=PROJECT, env=here.environment, stdout=log, stderr=log))  # noqa: S603 - our own words
        time.sleep(20)  # they live, and have started what they need
        here.idp("apply", run_id, "--json")
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
    return _writing_s(url, run_id)


def _writing_s(url: str, run_id: str) -> float:
    query = "SELECT min(done_at), max(done_at), count(*) FROM identity.change WHERE run_id = %s AND target = 'ldap'"
    with psycopg.connect(url) as connection:
        row = connection.execute(query + " AND state = 'done'", (run_id,)).fetchone()
    assert row is not None  # an aggregate has a row
    first, last, _ = row
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return (last - first).total_seconds()


class LateLine:
    """A port that leads to another one; whatever goes through comes late, in either direction."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._to, self._delay_s = port, delay_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for from_, to in ((near, far), (far, near)):
                    from_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    threading.Thread(target=self._take, args=(from_, under_way), daemon=True).start()
                    threading.Thread(target=self._give, args=(under_way, to), daemon=True).start()

    def _take(self, from_: socket.socket, under_way: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
        packet = b"-"
        while packet:
            try:
                packet = from_.recv(65536)
            except OSError:
                packet = b""
            under_way.put((time.monotonic() + self._delay_s, packet))

    def _give(self, under_way: "queue.SimpleQueue[tuple[float, bytes]]", to: socket.socket) -> None:
        with suppress(OSError):
            while True:
                due_at, packet = under_way.get()
                time.sleep(max(0.0, due_at - time.monotonic()))
                if not packet:
                    to.shutdown(socket.SHUT_WR)
                    return
                to.sendall(packet)
