"""Start granian for one of our WSGI applications: as a program, or in a fork of this process."""

import importlib
import os
import resource
import socket
import sys
from collections.abc import Sequence

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from idp.errors import ConfigError

# A browser sends its request line and headers at once. A connection without a whole header is closed after this time,
# also a connection kept open between two requests.
HEADER_WITHIN_MS = 10_000
# granian's buffer for a header. Cookies and a CAS service URL fit several times.
MAX_HEADER_BYTES = 64 * 1024
# Open connections per web process. An idle one costs a few KiB until its header is due. At this number granian stops
# accepting connections, and everybody waits.
MAX_CONNECTIONS = 4096


def granian_command(factory: str, host: str, port: int, workers: int, blocking_threads: int) -> Sequence[str]:
    """Return the command line that starts granian.

    Shape:   granian_command("idp.app.pages:create_app", "127.0.0.1", 8080, workers=2, blocking_threads=4)
    """
    return [sys.executable, "-m", __name__, factory, host, str(port), str(workers), str(blocking_threads)]


def serve_pages(factory: str, host: str, port: int, workers: int, blocking_threads: int) -> None:
    """Serve until SIGTERM or SIGINT. The arguments are those of `granian_command`.

    Effect:  imports the application's module once, so that the web processes share it
    """
    importlib.import_module(factory.partition(":")[0])
    _allow_connections(MAX_CONNECTIONS)
    Server(
        factory,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        # Threads start when they are needed, and end after half a minute without work.
        blocking_threads=blocking_threads,
        # HTTP/2 belongs to the proxy. With `auto`, granian answers h2c and gives a silent connection no deadline.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_WITHIN_MS, max_buffer_size=MAX_HEADER_BYTES),
        backlog=MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        workers_kill_timeout=5,
        respawn_failed_workers=True,
        websockets=False,
        # Not `warning`: at each start granian warns of more threads than cores. Our threads mostly wait.
        log_level=LogLevels.error,
        factory=True,
    ).serve()


def _allow_connections(number: int) -> None:
    """Raise our limit of open files to the maximum: systemd and shells set 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * number
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


def require_free_port(host: str, port: int, setting: str) -> None:
    """Refuse a port that another program listens on: granian would silently share it.

    Raises:  ConfigError that names the setting to change
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {os.strerror(exc.errno or 0)}. "
            f"Stop the program that uses it, or change {setting}."
        ) from exc


if __name__ == "__main__":
    serve_pages(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
