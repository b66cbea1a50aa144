"""What can happen to a directory: gone, restarted, frozen, read-only, full, busy, slow. Each ends with its block."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from tests.support.workers import until

Fault = Callable[[PrivateSlapd], AbstractContextManager[object]]
WRITES = ("add", "modify", "modrdn", "delete")
SOCK = """dn: olcOverlay={{3}}sock
objectClass: olcOverlayConfig
objectClass: olcOvSocketConfig
olcOverlay: {{3}}sock
olcDbSocketPath: {path}
{ops}
structuralObjectClass: olcOvSocketConfig
"""


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


def read_only(slapd: PrivateSlapd) -> AbstractContextManager[object]:
    """It answers and refuses every write (53)."""
    return _configured(slapd, {"olcReadOnly": "TRUE"})


@contextmanager
def disk_full(slapd: PrivateSlapd) -> Iterator[None]:
    """No file may grow beyond what it holds: a write that needs a new page is answered 80 (txn_commit failed)."""
    used = _used_bytes(slapd)
    with _configured(slapd, {}) as pid:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (used, used))
        yield


def database_full(slapd: PrivateSlapd) -> AbstractContextManager[object]:
    """Its database may not grow beyond what it holds: a write that needs a new page is answered 80."""
    return _configured(slapd, {"olcDbMaxSize": str(_used_bytes(slapd))})


def _used_bytes(slapd: PrivateSlapd) -> int:
    # The file is as long as it may ever become, and mostly a hole: only its blocks say what is used.
    return (slapd.folder / "data" / "data.mdb").stat().st_blocks * 512


def crowded(slapd: PrivateSlapd) -> AbstractContextManager[object]:
    """It has two threads and lets nobody wait: it hangs up on whoever sends many writes at once."""
    return _configured(slapd, {}, {"olcThreads": "2", "olcConnMaxPendingAuth": "1", "olcConnMaxPending": "1"})


@contextmanager
def busy(slapd: PrivateSlapd, writes: Sequence[str] = WRITES) -> Iterator[None]:
    """It answers these writes that it is busy (51): its overlay sock asks us what to answer."""
    folder = Path(tempfile.mkdtemp(prefix="busy-"))  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen(128)
        threading.Thread(target=_say_busy, args=(listener,), daemon=True).start()
        overlay = SOCK.format(path=folder / "s", ops="\n".join(f"olcOvSocketOps: {write}" for write in writes))
        # The overlay shows the access rules an entry without attributes; ours look for a mark in it.
        database = {"olcRootDN": slapd.service_dn("provisioning"), "olcRootPW": ""}
        with _configured(slapd, database, sock=overlay):
            yield
        listener.shutdown(socket.SHUT_RDWR)
    shutil.rmtree(folder)


def half_busy(slapd: PrivateSlapd) -> AbstractContextManager[None]:
    """It answers new entries that it is busy (51), and changes the ones that it has."""
    return busy(slapd, ("add",))


def _say_busy(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            asked, _ = listener.accept()
            with asked, asked.makefile("rb") as request:
                for line in request:
                    if line == b"\n":
                        break
                asked.sendall(b"RESULT\ncode: 51\ninfo: too much to do\n")


@contextmanager
def _configured(
    slapd: PrivateSlapd,
    database: Mapping[str, str],
    server: Mapping[str, str] | None = None,
    *,
    sock: str = "",
) -> Iterator[int]:
    """Run it with other settings over the same data, at the same port, and yield its process id."""
    slapd.stop()
    folder = slapd.folder / "config-of-a-fault"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(slapd.folder / "config", folder)
    _set(folder / "cn=config" / "olcDatabase={1}mdb.ldif", database)
    _set(folder / "cn=config.ldif", server or {})
    if sock:
        modules = folder / "cn=config" / "cn=module{0}.ldif"
        modules.write_text(_with(modules.read_text(), "olcModuleLoad", "{5}back_sock"))
        (folder / "cn=config" / "olcDatabase={1}mdb" / "olcOverlay={3}sock.ldif").write_text(sock)
    program = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/libexec") or "slapd"
    words = [program, "-F", str(folder), "-h", slapd.url, "-d", "0"]
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=slapd.folder,
        restore_signals=False,  # as we, it is not to be ended by SIGXFSZ: its write fails, as on a full disk
    ) as server_:
        try:
            until(lambda: _answers(slapd.port), 20, why=server_.poll)
            yield server_.pid
        finally:
            server_.terminate()
    slapd.start()


def _set(file: Path, values: Mapping[str, str]) -> None:
    text = file.read_text()
    for name, value in values.items():
        text = re.sub(rf"^{name}::? .*\n( .*\n)*", "", text, flags=re.MULTILINE)
        if value:
            text = _with(text, name, value)
    file.write_text(text)


def _with(text: str, name: str, value: str) -> str:
    return text.replace("structuralObjectClass:", f"{name}: {value}\nstructuralObjectClass:", 1)


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
