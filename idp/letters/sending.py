"""Send the letters of the outbox, until each is sent or given up."""

import json
from dataclasses import dataclass
from email.message import EmailMessage

import structlog
from jinja2 import TemplateError

from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.clock import Clock
from idp.db.backoff import Backoff
from idp.db.databases import Databases
from idp.db.dispatcher import SENT, Delivery, Dispatcher, IdentityOutbox, Verdict
from idp.db.outbox import Message
from idp.db.raw import Raw
from idp.errors import ConfigError, TargetDeferred, TargetRejected, TargetUnavailable
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
    def dispatcher(self) -> Dispatcher:
        """Takes letters from the outbox and stores the outcome."""
        return Dispatcher(
            kind=LETTER,
            outbox=IdentityOutbox(self.databases.identity),
            clock=self.clock,
            backoff=Backoff(self.settings.retry_s, self.settings.longest_wait_s),
            max_attempts=self.settings.max_attempts,
            lease_s=10 * self.settings.smtp_timeout_s,
            on_settled=_record_settled,
        )


def send_due(sender: Sender, actor: Actor) -> int:
    """Send the letters that are due, at most `per_round` of them, and return how many were sent.

    Raises:  NotAllowed
    Effect:  each letter is settled in a transaction of its own. A letter is sent twice only if we are killed between
             the server's answer and that transaction. The second copy has the same Message-ID. The round ends, and
             all letters wait, when the server cannot be reached or the settings allow no letter to be sent
    """
    actor.require(Permission.LETTERS_SEND)
    dispatcher = sender.dispatcher
    if not dispatcher.any_due():
        return 0
    sent = 0
    try:
        with sender.transport.sending() as send:
            for _ in range(sender.settings.per_round):
                letters = dispatcher.take_due(limit=1)
                if not letters:
                    break
                sent += _send_one(sender, dispatcher, letters[0], send)
    except TargetUnavailable as error:
        # Give the server a rest. It is not the letters' fault: no attempt is counted, and none is given up for it.
        log.warning("letters wait for the mail server", error=str(error))
        dispatcher.delay_due(sender.settings.retry_s, str(error))
    except ConfigError as error:
        log.error("letters wait until the settings or keys are repaired", error=str(error))
        dispatcher.delay_due(sender.settings.retry_s, str(error))
    return sent


def _send_one(sender: Sender, dispatcher: Dispatcher, letter: Message, send: Send) -> bool:
    """Try to send one letter; return whether it was sent.

    Raises:  TargetUnavailable or ConfigError when no letter can be sent now, after this one's next attempt was noted
    """
    stopped: list[TargetUnavailable | ConfigError] = []

    def deliver(letter: Message) -> Delivery:
        try:
            send(_composed(sender, letter))
        except TargetUnavailable as error:
            stopped.append(error)
            return Delivery(Verdict.RETRY, str(error))
        except ConfigError as error:
            stopped.append(error)
            return Delivery(Verdict.DELAY, str(error))
        except TargetDeferred as error:
            return Delivery(Verdict.RETRY, str(error))
        except TargetRejected as error:
            return Delivery(Verdict.GIVE_UP, str(error))
        except ValueError:  # the mail library will not write such a header; no later attempt will change that
            return Delivery(Verdict.GIVE_UP, "cannot be written as a message")
        except (LookupError, TypeError, AttributeError, TemplateError) as error:
            # A template and its values do not fit: a mistake of ours. It must not stop the other letters.
            log.exception("letter not composed", letter=letter.message_id, kind=letter.topic)
            return Delivery(Verdict.RETRY, f"cannot be composed: {type(error).__name__}")
        return SENT

    delivery = dispatcher.attempt(letter, deliver)
    if stopped:
        raise stopped[0]
    return delivery.verdict is Verdict.SENT


def _composed(sender: Sender, letter: Message) -> EmailMessage:
    content = json.loads(sender.keys.unseal(letter.content))
    return compose(
        sender.letterhead,
        letter.message_id,
        letter.topic,
        content["language"],
        letter.destination,
        letter.created_at,
        content["data"],
    )


def _record_settled(raw: Raw, letter: Message, delivery: Delivery, at: float) -> None:
    kind = event_types.LETTER_SENT
    if delivery.verdict is Verdict.GIVE_UP:
        kind = event_types.LETTER_GIVEN_UP
        log.error("letter given up", letter=letter.message_id, kind=letter.topic, error=delivery.error)
    data = {"letter": letter.message_id, "kind": letter.topic, "attempts": letter.attempts}
    reason = delivery.error or letter.topic
    add_events(raw, [row(Event(kind, letter.subject or letter.destination, reason=reason, data=data), at)])
