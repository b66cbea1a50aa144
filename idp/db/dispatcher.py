"""The dispatcher: takes due messages from an outbox, delivers them, and stores the outcome.

Letters and sign-out messages use it. The caller decides how to deliver a message, and how many at once.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

from idp.clock import Clock
from idp.db import outbox
from idp.db.backoff import Backoff
from idp.db.databases import Database
from idp.db.outbox import Message
from idp.db.raw import Raw, RawStore, over


class Verdict(Enum):
    """What to do with a message after an attempt."""

    SENT = auto()
    RETRY = auto()
    DELAY = auto()  # the message is not to blame: no attempt is counted
    GIVE_UP = auto()  # a later attempt would fail, too


class Delivery(NamedTuple):
    """The outcome of one attempt."""

    verdict: Verdict
    error: str = ""


SENT = Delivery(Verdict.SENT)

Deliver = Callable[[Message], Delivery]
OnSettled = Callable[[Raw, Message, Delivery, float], None]


class Outbox(Protocol):
    """The outbox of one database."""

    def read(self) -> AbstractContextManager[Raw]:
        """Yield a connection for reading."""

    def write(self) -> AbstractContextManager[Raw]:
        """Yield a connection inside a transaction."""


@dataclass(frozen=True, slots=True)
class IdentityOutbox:
    """The outbox of the identities."""

    database: Database

    @contextmanager
    def read(self) -> Iterator[Raw]:
        with self.database.read() as connection:
            yield over(connection)

    @contextmanager
    def write(self) -> Iterator[Raw]:
        with self.database.write() as connection:
            yield over(connection)


@dataclass(frozen=True, slots=True)
class SessionOutbox:
    """The outbox of the sessions."""

    raw_store: RawStore

    def read(self) -> AbstractContextManager[Raw]:
        return self.raw_store.lend()

    @contextmanager
    def write(self) -> Iterator[Raw]:
        with self.raw_store.lend() as raw, raw.transaction():
            yield raw


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Delivers the messages of one kind.

    Shape:   lease_s: longer than an attempt can take. If a message is not settled then, its process has
             died, and it is taken again. on_settled writes the event in the transaction that settles
    """

    kind: str
    outbox: Outbox
    clock: Clock
    backoff: Backoff
    max_attempts: int
    lease_s: float
    on_settled: OnSettled

    def any_due(self) -> bool:
        """Tell whether a message is due."""
        with self.outbox.read() as raw:
            return outbox.any_due(raw, self.kind, self.clock.timestamp())

    def take_due(self, limit: int) -> list[Message]:
        """Return due messages, with this attempt counted. Two dispatchers never get the same message."""
        now = self.clock.timestamp()
        with self.outbox.write() as raw:
            return outbox.take_due(raw, self.kind, now, now + self.lease_s, limit)

    def attempt(self, message: Message, deliver: Deliver) -> Delivery:
        """Deliver a message and return the outcome.

        Effect:  it is settled, or due again later. After the last attempt it is given up
        """
        delivery = deliver(message)
        if delivery.verdict is Verdict.RETRY and message.attempts >= self.max_attempts:
            delivery = Delivery(Verdict.GIVE_UP, delivery.error)
        now = self.clock.timestamp()
        with self.outbox.write() as raw:
            match delivery.verdict:
                case Verdict.RETRY:
                    next_attempt_at = now + self.backoff.wait_s(message.attempts)
                    outbox.retry_later(raw, message.message_id, next_attempt_at, delivery.error)
                    return delivery
                case Verdict.DELAY:
                    # The second wait: if this message alone cannot be sent, the others go before it next time.
                    outbox.delay(raw, message.message_id, now + self.backoff.wait_s(2), delivery.error)
                    return delivery
                case Verdict.SENT:
                    is_settled = outbox.settle_sent(raw, message.message_id, now)
                case Verdict.GIVE_UP:
                    is_settled = outbox.settle_dead(raw, message.message_id, now, delivery.error)
            # Another dispatcher took and settled it if this attempt outlasted the lease. One event tells of it.
            if is_settled:
                self.on_settled(raw, message, delivery, now)
        return delivery

    def delay_due(self, wait_s: float, error: str) -> None:
        """Delay all messages of this kind. No attempt is counted."""
        now = self.clock.timestamp()
        with self.outbox.write() as raw:
            outbox.delay_due(raw, self.kind, now, now + wait_s, error)

    def forget_settled(self, kept_s: float) -> int:
        """Delete messages that were settled longer ago than `kept_s`; the journal keeps that they were."""
        before = self.clock.timestamp() - kept_s
        with self.outbox.read() as raw:
            if not outbox.any_settled(raw, self.kind, before):
                return 0
        with self.outbox.write() as raw:
            return outbox.forget_settled(raw, self.kind, before)
