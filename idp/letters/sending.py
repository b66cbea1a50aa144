"""Send the letters of the outbox, until each is sent or given up."""

import json
from dataclasses import dataclass

import structlog

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db import outbox
from idp.db.backoff import Backoff
from idp.db.databases import Databases
from idp.db.outbox import Message
from idp.db.raw import over
from idp.errors import ConfigError, TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.letters.outgoing import LETTER
from idp.letters.settings import LettersSettings
from idp.letters.texts import Letterhead, compose
from idp.letters.transports import Send, Transport
from idp.permissions import Actor, Permission

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

    @property
    def backoff(self) -> Backoff:
        """How long a letter waits after a failed attempt."""
        return Backoff(self.settings.retry_s, self.settings.longest_wait_s)


def send_due(sender: Sender, actor: Actor) -> int:
    """Send the letters that are due, at most `per_round` of them, and return how many were sent.

    Raises:  NotAllowed
    Effect:  each letter is settled in a transaction of its own. A letter is sent twice only if we are killed between
             the server's answer and that transaction. The second copy has the same Message-ID. The round ends when
             the server cannot be reached
    """
    actor.require(Permission.LETTERS_SEND)
    with sender.databases.identity.read() as connection:
        if not outbox.any_due(over(connection), LETTER, sender.clock.timestamp()):
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
        _delay_all(sender, str(error))
    return sent


def _delay_all(sender: Sender, error: str) -> None:
    """Give the server a rest. It is not the letters' fault: no attempt is counted, and none is given up for it."""
    log.warning("letters wait for the mail server", error=error)
    now = sender.clock.timestamp()
    with sender.databases.identity.write() as connection:
        outbox.delay_due(over(connection), LETTER, now, now + sender.settings.retry_s, error)


def _next_due(sender: Sender) -> Message | None:
    now = sender.clock.timestamp()
    # Longer than any transport takes: a letter that is unsettled then was being sent by a process that died.
    again_at = now + 10 * sender.settings.smtp_timeout_s
    with sender.databases.identity.write() as connection:
        return next(iter(outbox.take_due(over(connection), LETTER, now, again_at, limit=1)), None)


def _send_one(sender: Sender, letter: Message, send: Send) -> bool:
    """Try one letter; say whether it was sent.

    Raises:  TargetUnavailable when the server went away, after the letter's next attempt was noted
    """
    try:
        content = json.loads(sender.keys.unseal(letter.content))
        send(
            compose(
                sender.letterhead,
                letter.message_id,
                letter.topic,
                content["language"],
                letter.destination,
                letter.created_at,
                content["data"],
            )
        )
    except (TargetRejected, ConfigError, ValueError) as error:
        # ValueError: the mail library will not write such a header; no later attempt will change that.
        _give_up(sender, letter, str(error) if not isinstance(error, ValueError) else "cannot be written as a message")
        return False
    except TargetUnavailable as error:
        _retry_later(sender, letter, str(error))
        raise
    now = sender.clock.timestamp()
    with sender.databases.identity.write() as connection:
        outbox.settle_sent(over(connection), letter.message_id, now)
        record(connection, now, _event(event_types.LETTER_SENT, letter))
    return True


def _retry_later(sender: Sender, letter: Message, error: str) -> None:
    if letter.attempts >= sender.settings.max_attempts:
        _give_up(sender, letter, error)
        return
    next_attempt_at = sender.clock.timestamp() + sender.backoff.wait_s(letter.attempts)
    with sender.databases.identity.write() as connection:
        outbox.retry_later(over(connection), letter.message_id, next_attempt_at, error)


def _give_up(sender: Sender, letter: Message, error: str) -> None:
    now = sender.clock.timestamp()
    log.error("letter given up", letter=letter.message_id, kind=letter.topic, error=error)
    with sender.databases.identity.write() as connection:
        outbox.settle_dead(over(connection), letter.message_id, now, error)
        record(connection, now, _event(event_types.LETTER_GIVEN_UP, letter, error))


def _event(kind: str, letter: Message, reason: str = "") -> Event:
    data = {"letter": letter.message_id, "kind": letter.topic, "attempts": letter.attempts}
    return Event(kind, subject=letter.subject or letter.destination, reason=reason or letter.topic, data=data)
