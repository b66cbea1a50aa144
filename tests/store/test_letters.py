"""Letters: queued once, sent once, given up visibly."""

import email
import email.policy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from idp.db.databases import Databases
from idp.db.outbox import Message, MessageState, take_due
from idp.db.raw import over
from idp.errors import ConfigError, InvalidAddress, NotFound, TargetDeferred, TargetRejected, TargetUnavailable
from idp.keys.key_files import Key, Keys, Purpose, new_secret
from idp.letters.albums import AlbumLetters, queue_album_letters
from idp.letters.outgoing import LETTER, count_letters, delayed_letters, newest_letters, queue_letter, retry_letter
from idp.letters.sending import Sender, send_due
from idp.letters.settings import LettersSettings
from idp.letters.texts import Letterhead
from idp.letters.transports import FolderTransport, Send
from idp.permissions import SYSTEM
from tests.support.actors import SHELL
from tests.support.clock import ManualClock
from tests.support.students import Student, add_student

SETTINGS = LettersSettings()
ZONE = ZoneInfo("Europe/Warsaw")
LETTERHEAD = Letterhead(
    university={"pl": "Politechnika Opolska", "en": "Opole University of Technology"},
    service_center={"pl": "Centrum Obsługi Studenta", "en": "Student Service Center"},
    service_center_url="https://www.cos.po.opole.pl",
    base_url="https://estudent.example",
    accent_colour="#00539b",
    from_address="no-reply@po.edu.pl",
)
DATA = {"given_name": "Jan", "album": "12345", "account_url": "https://estudent.example/account/new"}


class MailServer:
    """A way out that answers as the test says, and keeps what it took."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.taken: list[str] = []

    @contextmanager
    def sending(self) -> Iterator[Send]:
        yield self._send

    def _send(self, message: EmailMessage) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append(message["Message-ID"])


def sender(databases: Databases, keys: Keys, clock: ManualClock, transport: object) -> Sender:
    return Sender(databases, keys, SETTINGS, clock, LETTERHEAD, transport)  # type: ignore[arg-type] # also servers of tests


def queue_one(
    databases: Databases, keys: Keys, clock: ManualClock, key: str = "album:p1", to: str = "jan@example.org"
) -> bool:
    with databases.identity.write() as connection:
        return queue_letter(connection, keys, clock, "album", key, key.partition(":")[2], to, "pl", DATA)


def letters(databases: Databases) -> list[Message]:
    with databases.identity.read() as connection:
        return newest_letters(connection, None, 1000)


def queue_albums(databases: Databases, keys: Keys, clock: ManualClock, *, dry_run: bool = False) -> AlbumLetters:
    url = "https://estudent.example/account/new"
    return queue_album_letters(databases, keys, SETTINGS, clock, ZONE, url, SYSTEM, dry_run=dry_run)


def test_a_letter_is_queued_once_for_ever(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    assert queue_one(databases, keys, clock)
    send_due(sender(databases, keys, clock, MailServer()), SYSTEM)

    assert not queue_one(databases, keys, clock)
    assert [letter.state for letter in letters(databases)] == ["sent"]


def test_the_values_of_a_letter_lie_sealed_and_go_when_it_is_sent(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    queue_one(databases, keys, clock)
    assert "12345" not in letters(databases)[0].content

    send_due(sender(databases, keys, clock, MailServer()), SYSTEM)
    assert letters(databases)[0].content == ""


@pytest.mark.parametrize(
    "to", ["", "jan", "jan@", "jan@example.org\nBcc: x@example.org", "żółw@example.org", "a b@c.pl"]
)
def test_a_letter_to_what_is_no_address_is_not_queued(
    databases: Databases, keys: Keys, clock: ManualClock, to: str
) -> None:
    with pytest.raises(InvalidAddress):
        queue_one(databases, keys, clock, to=to)


def test_a_sent_letter_lies_in_the_folder_and_nobody_else_may_read_it(
    databases: Databases, keys: Keys, clock: ManualClock, tmp_path: Path
) -> None:
    queue_one(databases, keys, clock)

    assert send_due(sender(databases, keys, clock, FolderTransport(tmp_path / "out")), SYSTEM) == 1

    (file,) = (tmp_path / "out").iterdir()
    assert file.suffix == ".eml"
    assert file.stat().st_mode & 0o777 == 0o600
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert message["To"] == "jan@example.org"
    assert "12345" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr] # fails the test just as well


def test_a_folder_that_cannot_be_made_delays_letters(
    databases: Databases, keys: Keys, clock: ManualClock, tmp_path: Path
) -> None:
    queue_one(databases, keys, clock)
    (tmp_path / "file").touch()

    assert send_due(sender(databases, keys, clock, FolderTransport(tmp_path / "file" / "out")), SYSTEM) == 0

    (letter,) = letters(databases)
    assert (letter.state, letter.attempts) == ("pending", 0)
    assert "Not a directory" in letter.last_error


def test_a_server_that_is_away_delays_letters_and_the_wait_grows(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    queue_one(databases, keys, clock)
    server = MailServer(TargetUnavailable("away"), TargetUnavailable("away"))
    mine = sender(databases, keys, clock, server)

    assert send_due(mine, SYSTEM) == 0
    clock.advance(SETTINGS.retry_s - 1)
    assert send_due(mine, SYSTEM) == 0
    assert len(server.answers) == 1
    clock.advance(1)
    assert send_due(mine, SYSTEM) == 0
    clock.advance(2 * SETTINGS.retry_s - 1)
    assert send_due(mine, SYSTEM) == 0
    assert server.taken == []
    clock.advance(1)
    assert send_due(mine, SYSTEM) == 1


def test_every_attempt_carries_the_same_message_id(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    queue_one(databases, keys, clock)
    (queued,) = letters(databases)
    server = MailServer(TargetUnavailable("away"))
    mine = sender(databases, keys, clock, server)
    send_due(mine, SYSTEM)
    clock.advance(SETTINGS.retry_s)
    send_due(mine, SYSTEM)

    assert server.taken == [f"<{queued.message_id}@po.edu.pl>"]


def test_a_letter_that_the_server_refuses_is_given_up_and_the_next_one_goes(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    queue_one(databases, keys, clock, "album:p1")
    clock.advance(1)
    queue_one(databases, keys, clock, "album:p2")

    assert send_due(sender(databases, keys, clock, MailServer(TargetRejected("no such user"))), SYSTEM) == 1

    with databases.identity.read() as connection:
        assert count_letters(connection) == {"pending": 0, "sent": 1, "dead": 1}
        assert newest_letters(connection, MessageState.DEAD, 10)[0].last_error == "no such user"


def test_a_letter_is_given_up_after_its_last_attempt(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    queue_one(databases, keys, clock)
    mine = sender(databases, keys, clock, MailServer(*[TargetUnavailable("busy")] * SETTINGS.max_attempts))
    for _ in range(SETTINGS.max_attempts):
        send_due(mine, SYSTEM)
        clock.advance(SETTINGS.longest_wait_s)

    assert [(letter.state, letter.attempts) for letter in letters(databases)] == [("dead", SETTINGS.max_attempts)]


def test_a_deferred_letter_is_tried_again_and_the_others_go_at_once(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    for name in ("p1", "p2", "p3"):
        queue_one(databases, keys, clock, f"album:{name}")
        clock.advance(1)
    mine = sender(databases, keys, clock, MailServer(TargetDeferred("greylisted")))

    assert send_due(mine, SYSTEM) == 2
    clock.advance(SETTINGS.retry_s)
    assert send_due(mine, SYSTEM) == 1


def test_settings_that_allow_no_letter_count_no_attempt_and_are_told(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    for name in ("p1", "p2"):
        queue_one(databases, keys, clock, f"album:{name}")
        clock.advance(1)
    rounds = SETTINGS.max_attempts + 1
    mine = sender(databases, keys, clock, MailServer(*[ConfigError("the mail server refuses our sender")] * rounds))

    for _ in range(rounds):
        assert send_due(mine, SYSTEM) == 0
        clock.advance(SETTINGS.retry_s)

    assert [(letter.state, letter.attempts) for letter in letters(databases)] == [("pending", 0)] * 2
    with databases.identity.read() as connection:
        assert delayed_letters(connection) == (2, "the mail server refuses our sender")
    clock.advance(SETTINGS.retry_s)
    assert send_due(mine, SYSTEM) == 2
    with databases.identity.read() as connection:
        assert delayed_letters(connection) == (0, "")


def test_without_their_sealing_key_letters_wait(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    queue_one(databases, keys, clock)
    others = Keys([Key(purpose, "0002", new_secret(purpose)) for purpose in Purpose])

    assert send_due(sender(databases, others, clock, MailServer()), SYSTEM) == 0

    assert [(letter.state, letter.attempts) for letter in letters(databases)] == [("pending", 0)]
    clock.advance(2 * SETTINGS.retry_s)
    assert send_due(sender(databases, keys, clock, MailServer()), SYSTEM) == 1


def test_one_letter_that_does_not_open_does_not_keep_the_others_for_ever(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    others = Keys([Key(purpose, "0002", new_secret(purpose)) for purpose in Purpose])
    queue_one(databases, others, clock, "album:p1")
    clock.advance(1)
    queue_one(databases, keys, clock, "album:p2")
    mine = sender(databases, keys, clock, MailServer())

    assert send_due(mine, SYSTEM) == 0
    clock.advance(SETTINGS.retry_s)
    assert send_due(mine, SYSTEM) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"letterhead": replace(LETTERHEAD, university={"pl": "Politechnika"})}, {"data": {"album": "1"}}],
    ids=["a language is missing", "a value is missing"],
)
def test_a_letter_that_cannot_be_composed_stops_no_other_and_is_given_up(
    databases: Databases, keys: Keys, clock: ManualClock, wrong: dict[str, Any]
) -> None:
    with databases.identity.write() as connection:
        data = wrong.get("data", DATA)
        queue_letter(connection, keys, clock, "album", "album:p1", "p1", "jan@example.org", "pl", data)
    mine = replace(
        sender(databases, keys, clock, MailServer()), **{name: wrong[name] for name in wrong if name == "letterhead"}
    )

    for _ in range(SETTINGS.max_attempts):
        assert send_due(mine, SYSTEM) == 0
        clock.advance(SETTINGS.longest_wait_s)

    (letter,) = letters(databases)
    assert (letter.state, letter.attempts) == ("dead", SETTINGS.max_attempts)
    assert "cannot be composed" in letter.last_error


def test_a_dead_letter_can_be_retried_as_if_never_tried(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    queue_one(databases, keys, clock)
    (letter,) = letters(databases)
    server = MailServer(TargetRejected("mailbox full"))
    mine = sender(databases, keys, clock, server)
    send_due(mine, SYSTEM)

    with databases.identity.write() as connection:
        retry_letter(connection, clock, letter.message_id, SHELL)

    assert send_due(mine, SYSTEM) == 1
    with databases.identity.write() as connection, pytest.raises(NotFound):
        retry_letter(connection, clock, letter.message_id, SHELL)


def test_parallel_senders_send_each_letter_once(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    for number in range(20):
        queue_one(databases, keys, clock, f"album:p{number}")
    server = MailServer()
    mine = sender(databases, keys, clock, server)

    with ThreadPoolExecutor(max_workers=4) as pool:
        counts = list(pool.map(lambda _: send_due(mine, SYSTEM), range(4)))

    assert sum(counts) == 20
    assert len(set(server.taken)) == len(server.taken) == 20


def test_a_letter_taken_by_a_sender_that_died_comes_back(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    queue_one(databases, keys, clock)
    with databases.identity.write() as connection:
        assert len(take_due(over(connection), LETTER, clock.timestamp(), clock.timestamp() + 100, limit=1)) == 1
    server = MailServer()

    assert send_due(sender(databases, keys, clock, server), SYSTEM) == 0
    clock.advance(100)
    assert send_due(sender(databases, keys, clock, server), SYSTEM) == 1


def test_new_students_get_the_album_letter_once(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    add_student(databases, keys, Student("p1"))

    assert queue_albums(databases, keys, clock).queued == 1
    assert queue_albums(databases, keys, clock).queued == 0
    assert [letter.destination for letter in letters(databases)] == ["zaneta@example.org"]


def test_a_dry_run_counts_and_writes_nothing(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    add_student(databases, keys, Student("p1"))

    assert queue_albums(databases, keys, clock, dry_run=True).queued == 1
    assert letters(databases) == []


NOT_NEW = {
    "claimed": {"claimed_at": ManualClock().now()},
    "without an album number": {"album": None},
    "without an address": {"private_mail": ""},
    "admitted long ago": {"admitted_on": date(2024, 7, 20)},
    "begun long ago, day of admission unknown": {"admitted_on": None, "status_from": date(2024, 10, 1)},
    "struck off": {"status": "cancelled"},
    "on leave": {"status": "leave"},
    "a doctoral student": {"level": "3"},
    "disabled": {"enabled": False},
}


@pytest.mark.parametrize("what", NOT_NEW)
def test_nobody_else_gets_an_album_letter(databases: Databases, keys: Keys, clock: ManualClock, what: str) -> None:
    add_student(databases, keys, replace(Student("p1"), **NOT_NEW[what]))  # type: ignore[arg-type] # the table above

    assert queue_albums(databases, keys, clock) == AlbumLetters(0, ())


@pytest.mark.parametrize(
    "change",
    [{"status": "admitted"}, {"level": "JM"}, {"admitted_on": None}],
    ids=["admitted", "JM", "no admission day"],
)
def test_whoever_is_admitted_or_begins_is_a_new_student(
    databases: Databases, keys: Keys, clock: ManualClock, change: dict[str, object]
) -> None:
    add_student(databases, keys, replace(Student("p1"), **change))  # type: ignore[arg-type] # the list above

    assert queue_albums(databases, keys, clock).queued == 1


def test_a_new_student_with_an_unusable_address_is_named_and_stops_nobody(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    add_student(databases, keys, Student("p1", private_mail="nobody at home"))
    add_student(databases, keys, Student("p2", album="2"))

    assert queue_albums(databases, keys, clock) == AlbumLetters(1, ("p1",))
