"""Hand a message to a mail server by SMTP."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from idp.errors import ConfigError, TargetDeferred, TargetRejected, TargetUnavailable
from idp.tls import client_context

_CLOSING = 421  # "Service not available, closing transmission channel" (RFC 5321 section 4.2.3)


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The server that takes messages, and our account there."""

    host: str
    port: int
    start_tls: bool = False
    ca_file: Path | None = None
    user: str = ""
    password: str = ""
    timeout_s: float = 10.0


class SmtpConnection:
    """An open connection, for any number of messages."""

    def __init__(self, client: smtplib.SMTP) -> None:
        self._client = client

    def send(self, message: EmailMessage) -> None:
        """Send a message to its one recipient. When this returns, the server has accepted it.

        Raises:  TargetRejected when the server refuses this message for good (5xx);
                 TargetDeferred when it refuses this message for now (4xx), as greylisting does;
                 ConfigError when it refuses our sender for good: no message can be sent;
                 TargetUnavailable when it accepts no messages now
        """
        try:
            self._client.send_message(message)
        except smtplib.SMTPSenderRefused as exc:
            self._refuse_sender(exc.smtp_code, str(exc.sender), exc)
        except smtplib.SMTPRecipientsRefused as exc:
            code, _ = next(iter(exc.recipients.values()))
            self._refuse(code, exc)
        except smtplib.SMTPResponseException as exc:
            self._refuse(exc.smtp_code, exc)
        except smtplib.SMTPNotSupportedError as exc:
            raise TargetRejected("the mail server cannot carry this address") from exc
        except (OSError, smtplib.SMTPException) as exc:
            raise TargetUnavailable("the mail server stopped answering") from exc

    @staticmethod
    def _refuse(code: int, cause: Exception) -> None:
        # Only the code: a server's text may repeat the message.
        if 500 <= code < 600:
            raise TargetRejected(f"the mail server refused the letter (code {code})") from cause
        if code == _CLOSING:
            raise TargetUnavailable(f"the mail server closed the connection (code {code})") from cause
        raise TargetDeferred(f"the mail server takes the letter later (code {code})") from cause

    @staticmethod
    def _refuse_sender(code: int, sender: str, cause: Exception) -> None:
        if 500 <= code < 600:
            raise ConfigError(f"the mail server refuses our sender address {sender} (code {code})") from cause
        raise TargetUnavailable(f"the mail server takes nothing from us now (code {code})") from cause


@contextmanager
def connected(server: SmtpServer) -> Iterator[SmtpConnection]:
    """Yield a connection, signed in if there is an account, and close it at the end.

    Raises:  TargetUnavailable when the server cannot be reached, has no TLS, or refuses the account;
             ConfigError when the file has no CA certificates
    """
    try:
        client = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        try:
            _introduce(client, server)
        except BaseException:
            client.close()
            raise
    except (OSError, smtplib.SMTPException) as exc:
        raise TargetUnavailable(f"mail server {server.host}:{server.port}: {type(exc).__name__}") from exc
    try:
        yield SmtpConnection(client)
    finally:
        with suppress(OSError, smtplib.SMTPException):
            client.quit()
        client.close()


def _introduce(client: smtplib.SMTP, server: SmtpServer) -> None:
    """Start TLS and sign in, as the settings say."""
    if server.start_tls:
        client.starttls(context=client_context([server.ca_file] if server.ca_file else []))
    if server.user:
        client.login(server.user, server.password)
