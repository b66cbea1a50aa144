"""The outbox: messages written in the transaction of their cause, and delivered until confirmed or given up.

Both databases have a table `outbox`, because a message must commit with its cause. One set of functions serves both; it
takes raw connections (idp.db.raw), and `over` makes one of a SQLAlchemy connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, Float, Index, Integer, MetaData, String, Table, Text, text

from idp.db.constraints import at_least, one_of
from idp.db.databases import identity_metadata, sessions_metadata
from idp.db.raw import Raw, Row, one

_PENDING = text("state = 'pending'")


class MessageState(StrEnum):
    """The state of a message."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"  # given up: only `retry` sends it


def _outbox(metadata: MetaData) -> Table:
    return Table(
        "outbox",
        metadata,
        Column("message_id", String(32), primary_key=True),
        Column("kind", String(16), nullable=False),  # who delivers it: letter | logout
        Column("topic", String(32), nullable=False),  # the kind of letter, or the protocol of a logout
        Column("once_key", String(120), unique=True),  # "album:<person_id>": such a message is written only once
        Column("subject", String(64), nullable=False),  # account_id, or "" where there is none
        Column("destination", Text, nullable=False),  # mail address or URL
        Column("content", Text, nullable=False),  # JSON, sealed where it holds a secret; emptied once it is sent
        Column("state", String(8), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt_at", Float),  # seconds since 1970; NULL when settled
        Column("last_error", String(200), nullable=False),
        Column("created_at", Float, nullable=False),
        Column("settled_at", Float),
        one_of("state", MessageState),
        at_least("attempts", 0),
        CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled"),
        CheckConstraint("(state = 'pending') = (next_attempt_at IS NOT NULL)", name="next_attempt"),
        Index("ix_outbox_due", "kind", "next_attempt_at", sqlite_where=_PENDING, postgresql_where=_PENDING),
    )


outbox = _outbox(identity_metadata)
session_outbox = _outbox(sessions_metadata)


@dataclass(frozen=True, slots=True)
class Message:
    """A message and its state."""

    message_id: str
    kind: str
    topic: str
    once_key: str | None
    subject: str
    destination: str
    content: str
    created_at: float
    state: MessageState = MessageState.PENDING
    attempts: int = 0
    next_attempt_at: float | None = None
    last_error: str = ""
    settled_at: float | None = None


_NAMES = tuple(field.name for field in fields(Message))
_COLUMNS = ", ".join(_NAMES)
_INSERT = f"INSERT INTO outbox ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608 - constants
_ADD_ONCE = _INSERT + " ON CONFLICT (once_key) DO NOTHING"


def add(raw: Raw, messages: Sequence[Message], first_attempt_at: float) -> None:
    """Write messages in the caller's transaction. They are not tried before `first_attempt_at`."""
    raw.many(_INSERT, [_row(message, first_attempt_at) for message in messages])


def add_once(raw: Raw, message: Message) -> bool:
    """Write a message unless one with its `once_key` exists; return whether it was written."""
    return raw.run(_ADD_ONCE, _row(message, message.created_at)) == 1


def any_due(raw: Raw, kind: str, now: float) -> bool:
    """Return whether a message is due. This only reads, so an idle dispatcher takes no write lock."""
    due = "SELECT 1 FROM outbox WHERE state = 'pending' AND kind = ? AND next_attempt_at <= ? LIMIT 1"
    return bool(raw.all(due, (kind, now)))


def take_due(raw: Raw, kind: str, now: float, again_at: float, limit: int) -> list[Message]:
    """Return messages that are due, the longest waiting first, with this attempt counted.

    Effect:  they are due again at `again_at` unless they are settled before. So a killed dispatcher loses nothing, and
             two dispatchers never get the same message
    """
    # PostgreSQL may run a subquery of the WHERE again for each row, and with SKIP LOCKED it then finds other messages.
    rows = raw.all(
        "WITH due AS MATERIALIZED (SELECT message_id FROM outbox"  # noqa: S608 - constants
        " WHERE state = 'pending' AND kind = ? AND next_attempt_at <= ?"
        f" ORDER BY next_attempt_at, message_id LIMIT ?{raw.skip_locked})"
        " UPDATE outbox SET attempts = attempts + 1, next_attempt_at = ?"
        f" WHERE message_id IN (SELECT message_id FROM due) RETURNING {_COLUMNS}",
        (kind, now, limit, again_at),
    )
    return sorted(map(_message, rows), key=lambda message: (message.created_at, message.message_id))


def settle_sent(raw: Raw, message_id: str, at: float) -> bool:
    """Store that a message was delivered, and empty its content; return whether it was still pending."""
    return (
        raw.run(
            "UPDATE outbox SET state = 'sent', settled_at = ?, next_attempt_at = NULL, last_error = '', content = ''"
            " WHERE message_id = ? AND state = 'pending'",
            (at, message_id),
        )
        == 1
    )


def settle_dead(raw: Raw, message_id: str, at: float, error: str) -> bool:
    """Store that a message is given up, and the error; return whether it was still pending."""
    return (
        raw.run(
            "UPDATE outbox SET state = 'dead', settled_at = ?, next_attempt_at = NULL, last_error = ?"
            " WHERE message_id = ? AND state = 'pending'",
            (at, error[:200], message_id),
        )
        == 1
    )


def retry_later(raw: Raw, message_id: str, next_attempt_at: float, error: str) -> None:
    """Store when a message is tried again, and the error."""
    raw.run(
        "UPDATE outbox SET next_attempt_at = ?, last_error = ? WHERE message_id = ? AND state = 'pending'",
        (next_attempt_at, error[:200], message_id),
    )


def delay(raw: Raw, message_id: str, next_attempt_at: float, error: str) -> None:
    """Store when a message is tried again, and the error. This attempt does not count."""
    raw.run(
        "UPDATE outbox SET attempts = attempts - 1, next_attempt_at = ?, last_error = ?"
        " WHERE message_id = ? AND state = 'pending' AND attempts > 0",
        (next_attempt_at, error[:200], message_id),
    )


def delay_due(raw: Raw, kind: str, now: float, next_attempt_at: float, error: str) -> None:
    """Delay all messages of a kind until a moment. No attempt is counted."""
    raw.run(
        "UPDATE outbox SET next_attempt_at = ?, last_error = ?"
        " WHERE state = 'pending' AND kind = ? AND next_attempt_at <= ?",
        (next_attempt_at, error[:200], kind, now),
    )


def retry_dead(raw: Raw, message_id: str, now: float) -> Message | None:
    """Try a given-up message again, with no attempts counted; None if there is no such message."""
    row = one(
        raw.all(
            "UPDATE outbox SET state = 'pending', attempts = 0, next_attempt_at = ?, settled_at = NULL"  # noqa: S608 - constants
            f" WHERE message_id = ? AND state = 'dead' RETURNING {_COLUMNS}",
            (now, message_id),
        )
    )
    return None if row is None else _message(row)


def newest(raw: Raw, kind: str, state: MessageState | None, limit: int) -> list[Message]:
    """Return the newest messages of a kind, optionally in one state."""
    condition, values = (" AND state = ?", (kind, state.value)) if state else ("", (kind,))
    rows = raw.all(
        f"SELECT {_COLUMNS} FROM outbox WHERE kind = ?{condition}"  # noqa: S608 - constants
        " ORDER BY created_at DESC, message_id DESC LIMIT ?",
        (*values, limit),
    )
    return [_message(row) for row in rows]


def count(raw: Raw, kind: str) -> dict[str, int]:
    """Return how many messages of a kind are in each state."""
    found: dict[str, int] = dict(raw.all("SELECT state, count(*) FROM outbox WHERE kind = ? GROUP BY state", (kind,)))
    return {state.value: found.get(state.value, 0) for state in MessageState}


def delayed(raw: Raw, kind: str) -> tuple[int, str]:
    """Return how many messages of a kind wait after an error, and the error of one of them.

    A message that failed once is left out: many mail servers accept a message only the second time.
    """
    count, error = raw.all(
        "SELECT count(*), coalesce(max(last_error), '') FROM outbox"
        " WHERE state = 'pending' AND kind = ? AND last_error <> '' AND attempts <> 1",
        (kind,),
    )[0]
    return count, error


def any_settled(raw: Raw, kind: str, before: float) -> bool:
    """Return whether a message was settled before a moment. This only reads, so an idle sweep takes no write lock."""
    settled = "SELECT 1 FROM outbox WHERE kind = ? AND state <> 'pending' AND settled_at < ? LIMIT 1"
    return bool(raw.all(settled, (kind, before)))


def forget_settled(raw: Raw, kind: str, before: float) -> int:
    """Delete messages that were settled before a moment; the journal keeps that they were."""
    return raw.run("DELETE FROM outbox WHERE kind = ? AND state <> 'pending' AND settled_at < ?", (kind, before))


def _row(message: Message, first_attempt_at: float) -> Row:
    values = {**{name: getattr(message, name) for name in _NAMES}, "state": message.state.value}
    return tuple({**values, "next_attempt_at": first_attempt_at}[name] for name in _NAMES)


def _message(row: Row) -> Message:
    values = dict(zip(_NAMES, row, strict=True))
    return Message(**{**values, "state": MessageState(values["state"])})
