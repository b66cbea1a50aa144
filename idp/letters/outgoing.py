"""Letters on the outbox: written in the transaction of their cause, sent by the worker."""

import json
from collections.abc import Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, new_id, record
from idp.clock import Clock
from idp.db import outbox
from idp.db.outbox import Message, MessageState
from idp.db.raw import over
from idp.errors import InvalidAddress, NotFound
from idp.keys.key_files import Keys
from idp.permissions import Actor, Permission

LETTER = "letter"  # the kind of message


def queue_letter(
    connection: Connection,
    keys: Keys,
    clock: Clock,
    kind: str,
    once_key: str,
    person_id: str,
    to: str,
    language: str,
    data: Mapping[str, Any],
) -> bool:
    """Queue a letter unless one with this `once_key` exists; return whether it is new.

    Shape:   kind names a folder of idp/letters/templates, `data` fills its templates and is kept sealed
    Raises:  InvalidAddress when nothing can be sent to `to`
    Effect:  a row and an event in the caller's transaction; a repeat is harmless
    """
    require_address(to)
    now = clock.timestamp()
    content = keys.seal(json.dumps({"language": language, "data": dict(data)}))
    message = Message(new_id(), LETTER, kind, once_key, person_id, to, content, now)
    if not outbox.add_once(over(connection), message):
        return False
    event = Event(event_types.LETTER_QUEUED, person_id or to, reason=kind, data={"letter": message.message_id})
    record(connection, now, event)
    return True


def retry_letter(connection: Connection, clock: Clock, letter_id: str, actor: Actor) -> None:
    """Send a dead letter again.

    Raises:  NotAllowed; NotFound when no dead letter has this id
    """
    actor.require(Permission.LETTERS_SEND)
    now = clock.timestamp()
    if outbox.retry_dead(over(connection), letter_id, now) is None:
        raise NotFound("no letter with this id was given up")
    event = Event(event_types.LETTER_QUEUED, letter_id, actor.actor_id, reason="retry", data={"letter": letter_id})
    record(connection, now, event)


def newest_letters(connection: Connection, state: MessageState | None, limit: int) -> list[Message]:
    """Return the newest letters, optionally in one state."""
    return outbox.newest(over(connection), LETTER, state, limit)


def count_letters(connection: Connection) -> dict[str, int]:
    """Return how many letters are pending, sent and dead."""
    return outbox.count(over(connection), LETTER)


def delayed_letters(connection: Connection) -> tuple[int, str]:
    """Return how many letters wait after an error, and the error."""
    return outbox.delayed(over(connection), LETTER)


def require_address(text: str) -> None:
    """Check that a letter can be addressed to `text`; the network is not asked.

    Raises:  InvalidAddress
    """
    try:
        # test_environment only lets a domain under .test through, for a site that tries things out.
        validate_email(text, check_deliverability=False, strict=True, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidAddress("not an address that a letter can be sent to") from None
