"""How granian is started for one of our WSGI applications: as a program, or in a fork of this process."""

import importlib
import os
import socket
import sys
from collections.abc import Sequence

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from idp.errors import ConfigError


def granian_command(factory: str, host: str, port: int, workers: int, blocking_threads: int) -> Sequence[str]:
    """Return the words that start granian.

    Shape:   granian_command("idp.app.pages:create_app", "127.0.0.1", 8080, workers=2, blocking_threads=4)
    """
    return [sys.executable, "-m", __name__, factory, host, str(port), str(workers), str(blocking_threads)]


def serve_pages(factory: str, host: str, port: int, workers: int, blocking_threads: int) -> None:
    """Serve until SIGTERM or SIGINT; the shape is that of `granian_command`.

    Effect:  what is imported now, the application's module included, is imported once and shared by the processes
    """
    importlib.import_module(factory.partition(":")[0])
    Server(
        factory,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        # They start when they are needed, and end when they were not for half a minute.
        blocking_threads=blocking_threads,
        workers_kill_timeout=5,
        respawn_failed_workers=True,
        websockets=False,
        # Not `warning`: at each start it says that there are more threads than cores. Ours are for waiting.
        log_level=LogLevels.error,
        factory=True,
    ).serve()


def require_free_port(host: str, port: int, setting: str) -> None:
    """Refuse a port that another program listens on: granian itself would share it silently.

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
