"""Transports of letters: a folder, or a mail server."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from idp.drivers.smtp import SmtpServer, connected
from idp.errors import TargetUnavailable
from idp.letters.settings import LettersSettings
from idp.settings import read_secret


class Send(Protocol):
    """Sends one message.

    Raises:  TargetDeferred when a later try may succeed, TargetRejected when none will;
             TargetUnavailable or ConfigError when no message can be sent now
    """

    def __call__(self, message: EmailMessage) -> None: ...


class Transport(Protocol):
    """A transport for letters."""

    def sending(self) -> AbstractContextManager[Send]:
        """Yield a function that sends. Its connection is opened once for many messages and closed at the end."""


@dataclass(frozen=True, slots=True)
class FolderTransport:
    """Each letter becomes a file `<letter>.eml` that any mail program opens."""

    folder: Path

    @contextmanager
    def sending(self) -> Iterator[Send]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise TargetUnavailable(f"{self.folder}: {exc.strerror}") from exc
        yield self._write

    def _write(self, message: EmailMessage) -> None:
        name = message["Message-ID"].strip("<>").partition("@")[0]
        fresh = self.folder / f".{name}.new"
        try:
            fresh.touch(mode=0o600)
            fresh.write_bytes(message.as_bytes())
            fresh.replace(self.folder / f"{name}.eml")  # atomic: a reader never sees half a letter
        except OSError as exc:
            raise TargetUnavailable(f"{self.folder}: {exc.strerror}") from exc


@dataclass(frozen=True, slots=True)
class SmtpTransport:
    """Each letter goes to a mail server."""

    server: SmtpServer

    @contextmanager
    def sending(self) -> Iterator[Send]:
        with connected(self.server) as connection:
            yield connection.send


def make_transport(settings: LettersSettings) -> Transport:
    """Return the transport that the settings name.

    Raises:  ConfigError when the password file cannot be read, or others can
    """
    if settings.transport == "folder":
        return FolderTransport(settings.folder)
    file = settings.smtp_password_file
    return SmtpTransport(
        SmtpServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            start_tls=settings.smtp_start_tls,
            ca_file=settings.smtp_ca_file,
            user=settings.smtp_user,
            password=read_secret("letters.smtp_password_file", file) if file else "",
            timeout_s=settings.smtp_timeout_s,
        )
    )
