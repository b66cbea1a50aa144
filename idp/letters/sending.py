"""Send what is owed, until it is confirmed or given up."""

import json
from dataclasses import dataclass

import structlog

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import ConfigError, TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.letters.queries import Letter, any_due, put_off, put_off_all_due, settle_given_up, settle_sent, take_due
from idp.letters.settings import LettersSettings
from idp.letters.texts import Letterhead, compose
from idp.letters.transports import Send, Transport

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Everything that sending a letter needs."""

    databases: Databases
    keys: Keys
    settings: LettersSettings
    clock: Clock
    letterhead: Letterhead
    transport: Transport


def send_due(sender: Sender) -> int:
    """Send the letters that are due, at most `per_round` of them, and return how many were sent.

    Effect:  each is settled in a transaction of its own. A letter is sent twice only if we are killed between the
             server's answer and that transaction, and then with the same Message-ID. When the server cannot be
             reached the round ends; what was not tried keeps its turn.
    """
    with sender.databases.identity.read() as connection:
        if not any_due(connection, sender.clock.timestamp()):
            return 0
    sent = 0
    try:
        with sender.transport.sending() as send:
            for _ in range(sender.settings.per_round):
                letter = _next_due(sender)
                if letter is None:
                    break
                sent += _send_one(sender, letter, send)
    except TargetUnavailable as error:
        _wait_for_the_server(sender, str(error))
    return sent


def _wait_for_the_server(sender: Sender, error: str) -> None:
    """Give the server a rest. It is not the letters' fault, so no try is counted and none is given up for it."""
    log.warning("letters wait for the mail server", error=error)
    now = sender.clock.timestamp()
    with sender.databases.identity.write() as connection:
        put_off_all_due(connection, now, now + sender.settings.retry_s, error)


def _next_due(sender: Sender) -> Letter | None:
    now = sender.clock.timestamp()
    # Longer than any transport takes: what is still unsettled then was being sent by a process that died.
    hold_until = now + 10 * sender.settings.smtp_timeout_s
    with sender.databases.identity.write() as connection:
        return take_due(connection, now, hold_until)


def _send_one(sender: Sender, letter: Letter, send: Send) -> bool:
    """Try one letter; say whether it left.

    Raises:  TargetUnavailable when the server went away, after the letter was put off
    """
    try:
        data = json.loads(sender.keys.unseal(letter.sealed_data))
        send(
            compose(
                sender.letterhead,
                letter.letter_id,
                letter.kind,
                letter.language,
                letter.to_address,
                letter.owed_at,
                data,
            )
        )
    except (TargetRejected, ConfigError, ValueError) as error:
        # ValueError: the mail library will not write such a header; no later try will change that.
        _give_up(sender, letter, str(error) if not isinstance(error, ValueError) else "cannot be written as a message")
        return False
    except TargetUnavailable as error:
        _put_off(sender, letter, str(error))
        raise
    now = sender.clock.timestamp()
    with sender.databases.identity.write() as connection:
        settle_sent(connection, letter.letter_id, now)
        record(connection, now, _event(event_types.LETTER_SENT, letter))
    return True


def _put_off(sender: Sender, letter: Letter, error: str) -> None:
    settings = sender.settings
    if letter.tries >= settings.most_tries:
        _give_up(sender, letter, error)
        return
    wait_s = min(settings.retry_s * 2 ** (letter.tries - 1), settings.longest_wait_s)
    with sender.databases.identity.write() as connection:
        put_off(connection, letter.letter_id, sender.clock.timestamp() + wait_s, error)


def _give_up(sender: Sender, letter: Letter, error: str) -> None:
    now = sender.clock.timestamp()
    log.error("letter given up", letter=letter.letter_id, kind=letter.kind, error=error)
    with sender.databases.identity.write() as connection:
        settle_given_up(connection, letter.letter_id, error)
        record(connection, now, _event(event_types.LETTER_GIVEN_UP, letter, error))


def _event(kind: str, letter: Letter, reason: str = "") -> Event:
    data = {"letter": letter.letter_id, "kind": letter.kind, "tries": letter.tries}
    return Event(kind, subject=letter.person_id or letter.to_address, reason=reason or letter.kind, data=data)
