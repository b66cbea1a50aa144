"""Sign-out messages on the outbox of the sessions: what an application is told when a session ends."""

import json
from dataclasses import dataclass

from idp.audit.events import new_id
from idp.db.outbox import Message

LOGOUT = "logout"  # the kind of message


@dataclass(frozen=True, slots=True)
class Logout:
    """The end of a session, as one of its applications is told."""

    protocol: str  # which sender tells it: cas | oidc
    account_id: str
    session_id: str
    application: str
    address: str
    ticket: str  # names the application's own session


def message_of(logout: Logout, created_at: float, attempts: int) -> Message:
    """Return the message of a logout. Shape: attempts: 1 when the caller sends it at once, which is an attempt"""
    content = {"session": logout.session_id, "application": logout.application, "ticket": logout.ticket}
    return Message(
        message_id=new_id(),
        kind=LOGOUT,
        topic=logout.protocol,
        once_key=None,
        subject=logout.account_id,
        destination=logout.address,
        content=json.dumps(content),
        created_at=created_at,
        attempts=attempts,
    )


def logout_in(message: Message) -> Logout:
    """Return the logout that a message carries."""
    content = json.loads(message.content)
    return Logout(
        protocol=message.topic,
        account_id=message.subject,
        session_id=content["session"],
        application=content["application"],
        address=message.destination,
        ticket=content["ticket"],
    )
