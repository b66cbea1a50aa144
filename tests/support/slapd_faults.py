"""What can happen to a directory: gone, restarted, frozen, read-only, busy, slow. Each ends with its block."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from tests.support.workers import until

Fault = Callable[[PrivateSlapd], AbstractContextManager[None]]


@contextmanager
def gone(slapd: PrivateSlapd) -> Iterator[None]:
    """Nobody listens at its port."""
    slapd.stop()
    yield
    slapd.start()


@contextmanager
def restarted(slapd: PrivateSlapd) -> Iterator[None]:
    """It ends in the middle and is back at once."""
    slapd.restart()
    yield


@contextmanager
def frozen(slapd: PrivateSlapd) -> Iterator[None]:
    """It takes connections and says nothing."""
    pid = slapd.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


def read_only(slapd: PrivateSlapd) -> AbstractContextManager[None]:
    """It answers and refuses every write (53)."""
    return _configured(slapd, {"olcReadOnly": "TRUE"})


def busy(slapd: PrivateSlapd) -> AbstractContextManager[None]:
    """It has two threads and lets nobody wait: whoever sends many writes at once is turned away."""
    return _configured(slapd, {}, {"olcThreads": "2", "olcConnMaxPendingAuth": "1", "olcConnMaxPending": "1"})


@contextmanager
def _configured(
    slapd: PrivateSlapd, database: Mapping[str, str], server: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run it with other settings over the same data, at the same port."""
    slapd.stop()
    folder = slapd.folder / "config-of-a-fault"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(slapd.folder / "config", folder)
    _set(folder / "cn=config" / "olcDatabase={1}mdb.ldif", database)
    _set(folder / "cn=config.ldif", server or {})
    program = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/libexec") or "slapd"
    words = [program, "-F", str(folder), "-h", slapd.url, "-d", "0"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=slapd.folder) as server_:
        try:
            until(lambda: _answers(slapd.port), 20)
            yield
        finally:
            server_.terminate()
    slapd.start()


def _set(file: Path, values: Mapping[str, str]) -> None:
    text = file.read_text()
    for name, value in values.items():
        text = re.sub(rf"^{name}: .*\n", "", text, flags=re.MULTILINE)
        text = text.replace("structuralObjectClass:", f"{name}: {value}\nstructuralObjectClass:", 1)
    file.write_text(text)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class SlowLine:
    """A port that leads to another one, each packet late by `delay_s`; as many may be under way as like."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._to = port
        self._delay_s = delay_s
        self._clock = Clock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut every connection."""
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for from_, to in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(from_, to), daemon=True).start()

    def _carry(self, from_: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while packet := from_.recv(65536):
                # Packets that wait together travel together: it is far away, and not narrow.
                self._clock.sleep(self._delay_s)
                to.sendall(packet)
            to.shutdown(socket.SHUT_WR)
