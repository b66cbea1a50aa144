"""Certificates that we trust when we connect to other systems."""

import ssl
from collections.abc import Iterable
from pathlib import Path

from idp.errors import ConfigError


def client_context(ca_files: Iterable[Path] = ()) -> ssl.SSLContext:
    """Return the checks of a connection: the system's authorities and those in `ca_files`.

    Raises:  ConfigError when a file holds no certificates
    """
    context = ssl.create_default_context()
    for file in ca_files:
        try:
            context.load_verify_locations(file)
        except OSError as exc:
            raise ConfigError(f"{file}: no file with CA certificates (PEM): {exc.strerror or exc}") from exc
    return context
