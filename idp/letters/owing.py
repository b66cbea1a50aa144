"""Owe a letter, in the transaction of what it is about."""

import json
from collections.abc import Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, new_id, record
from idp.clock import Clock
from idp.errors import InvalidAddress, NotFound
from idp.keys.key_files import Keys
from idp.letters.queries import OWED, Letter, add_once, owe_again


def owe(
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
    """Owe a letter unless one with this `once_key` ever was; say whether it is new.

    Shape:   kind names a folder of idp/letters/templates, `data` fills its templates and is kept sealed
    Raises:  InvalidAddress when nothing can be sent to `to`
    Effect:  a row and an event in the caller's transaction; a repeat is harmless
    """
    require_address(to)
    now = clock.timestamp()
    new = Letter(
        letter_id=new_id(),
        once_key=once_key,
        kind=kind,
        person_id=person_id,
        to_address=to,
        language=language,
        sealed_data=keys.seal(json.dumps(dict(data))),
        state=OWED,
        tries=0,
        due_at=now,
        last_error="",
        owed_at=now,
        sent_at=None,
    )
    if not add_once(connection, new):
        return False
    record(
        connection,
        now,
        Event(event_types.LETTER_OWED, subject=person_id or to, reason=kind, data={"letter": new.letter_id}),
    )
    return True


def try_again(connection: Connection, clock: Clock, letter_id: str, actor: str) -> None:
    """Owe a letter that was given up once more.

    Raises:  NotFound when no letter with this id was given up
    """
    now = clock.timestamp()
    if not owe_again(connection, letter_id, now):
        raise NotFound("no letter with this id was given up")
    record(
        connection, now, Event(event_types.LETTER_OWED, letter_id, actor, reason="again", data={"letter": letter_id})
    )


def require_address(text: str) -> None:
    """Check that a letter can be addressed to `text`; the network is not asked.

    Raises:  InvalidAddress
    """
    try:
        # test_environment only lets a domain under .test through, for a site that tries things out.
        validate_email(text, check_deliverability=False, strict=True, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidAddress("not an address that a letter can be sent to") from None
