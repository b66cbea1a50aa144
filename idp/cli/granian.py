"""How granian is started for one of our WSGI applications."""

import os
import socket
import sys
from collections.abc import Sequence

from idp.errors import ConfigError


def granian_command(factory: str, host: str, port: int, workers: int, blocking_threads: int) -> Sequence[str]:
    """Return the words that start granian.

    Shape:   granian_command("idp.app.pages:create_app", "127.0.0.1", 8080, workers=2, blocking_threads=4)
    """
    options = {
        "--interface": "wsgi",
        "--host": host,
        "--port": port,
        "--workers": workers,
        # The default of one thread made the slowest hundredth of the answers four times slower.
        "--blocking-threads": blocking_threads,
        "--workers-kill-timeout": 5,
        "--log-level": "warning",
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-m", "granian", *words, "--no-ws", "--respawn-failed-workers", "--factory", factory]


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
