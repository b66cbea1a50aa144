"""Letters over SMTP, with a real server on loopback."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.processes import free_port
from idp.drivers.smtp import SmtpServer, connected
from idp.errors import ConfigError, TargetDeferred, TargetRejected, TargetUnavailable
from idp.letters.settings import LettersSettings
from idp.letters.texts import Letterhead, compose
from idp.letters.transports import make_transport

LETTERHEAD = Letterhead(
    university={"pl": "Politechnika Opolska", "en": "Opole University of Technology"},
    service_center={"pl": "Centrum Obsługi Studenta", "en": "Student Service Center"},
    service_center_url="https://www.cos.po.opole.pl",
    base_url="https://estudent.example",
    accent_colour="#00539b",
    from_address="no-reply@po.edu.pl",
)
DATA = {"given_name": "Żaneta", "album": "12345", "account_url": "https://estudent.example/account/new"}


class Mailboxes:
    """Takes mail for everybody but three, from everybody unless told otherwise."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.answer_to_sender = "250 OK"

    async def handle_MAIL(  # noqa: N802 - the library calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answer_to_sender

    async def handle_RCPT(  # noqa: N802 - the library calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        if address.startswith("later@"):
            return "451 try again later"
        if address.startswith("closing@"):
            return "421 closing"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as above
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(message_from_bytes(envelope.content))
        return "250 taken"


@pytest.fixture
def mailboxes() -> Mailboxes:
    return Mailboxes()


@pytest.fixture
def settings(mailboxes: Mailboxes) -> Iterator[LettersSettings]:
    port = free_port()
    controller = Controller(mailboxes, hostname="127.0.0.1", port=port)
    controller.start()
    yield LettersSettings(transport="smtp", smtp_port=port, smtp_timeout_s=2.0)
    controller.stop()


def send(settings: LettersSettings, *to: str) -> None:
    with make_transport(settings).sending() as send_one:
        for address in to:
            send_one(compose(LETTERHEAD, "a1b2", "album", "pl", address, 0.0, DATA))


def test_several_letters_go_over_one_connection(settings: LettersSettings, mailboxes: Mailboxes) -> None:
    send(settings, "a@example.org", "b@example.org")

    assert [message["To"] for message in mailboxes.taken] == ["a@example.org", "b@example.org"]
    assert mailboxes.taken[0]["Message-ID"] == "<a1b2@po.edu.pl>"


def test_a_refused_recipient_is_refused_for_good_and_a_put_off_one_may_be_tried_again(
    settings: LettersSettings, mailboxes: Mailboxes
) -> None:
    with pytest.raises(TargetRejected, match="550"):
        send(settings, "nobody@example.org")
    with pytest.raises(TargetDeferred, match="451"):
        send(settings, "later@example.org")
    assert mailboxes.taken == []


def test_a_server_that_closes_the_connection_takes_no_further_letter(settings: LettersSettings) -> None:
    with pytest.raises(TargetUnavailable, match="421"):
        send(settings, "closing@example.org")


@pytest.mark.parametrize(
    ("answer", "error"), [("553 not your address", ConfigError), ("451 later", TargetUnavailable)], ids=["5xx", "4xx"]
)
def test_a_refused_sender_is_no_fault_of_the_letter(
    settings: LettersSettings, mailboxes: Mailboxes, answer: str, error: type[Exception]
) -> None:
    mailboxes.answer_to_sender = answer

    with pytest.raises(error, match=answer[:3]):
        send(settings, "a@example.org")


def test_after_a_refusal_the_same_connection_goes_on(settings: LettersSettings, mailboxes: Mailboxes) -> None:
    with make_transport(settings).sending() as send_one:
        with pytest.raises(TargetRejected):
            send_one(compose(LETTERHEAD, "a1", "album", "pl", "nobody@example.org", 0.0, DATA))
        send_one(compose(LETTERHEAD, "a2", "album", "pl", "b@example.org", 0.0, DATA))

    assert len(mailboxes.taken) == 1


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(TargetUnavailable), connected(SmtpServer("127.0.0.1", 1, timeout_s=1.0)):
        pass


def test_a_server_without_tls_gets_no_letter_when_tls_is_demanded(settings: LettersSettings) -> None:
    demanding = settings.model_copy(update={"smtp_start_tls": True})

    with pytest.raises(TargetUnavailable):
        send(demanding, "a@example.org")


def test_a_ca_file_that_is_none_is_a_mistake_in_the_settings(settings: LettersSettings, tmp_path: Path) -> None:
    broken = settings.model_copy(update={"smtp_start_tls": True, "smtp_ca_file": tmp_path / "missing.pem"})

    with pytest.raises(ConfigError, match=r"missing\.pem"):
        send(broken, "a@example.org")


def test_letters_to_another_machine_must_be_encrypted() -> None:
    with pytest.raises(ValueError, match="smtp_start_tls"):
        LettersSettings(transport="smtp", smtp_host="mail.example.org")
