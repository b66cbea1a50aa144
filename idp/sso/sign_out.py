"""Tell applications that a session ended: right after the request, then by the sweep, until confirmed or given up.

The messages were written in the transaction that ended the session (idp.sso.sessions), so a crash loses none. idp.app
adds a sender per protocol (CAS, later OIDC).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from typing import Protocol

import structlog

from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.clock import Clock
from idp.db.backoff import Backoff
from idp.db.dispatcher import SENT, Delivery, Dispatcher, SessionOutbox, Verdict
from idp.db.outbox import Message
from idp.db.raw import Raw, RawStore
from idp.errors import IdpError
from idp.sso.logouts import LOGOUT, Logout, logout_in

BACKOFF = Backoff(first_s=30, most_s=6 * 3600)
MAX_ATTEMPTS = 12  # the first is right after the request, the last after 14 hours
SETTLED_KEPT_S = 24 * 3600
AT_ONCE = 16
SWEEP_SIZE = 50
SENDING_S = 60  # longer than a sweep's sends can take

log = structlog.get_logger(__name__)


class LogoutSender(Protocol):
    """Tells applications of one protocol: CAS with a SAML document, OpenID Connect with a signed token."""

    def tell(self, logout: Logout) -> None:
        """Send one logout. Raises: TargetError when the application did not confirm."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of one application right after a sign-out."""

    application: str
    is_confirmed: bool


class SignOutService:
    """Sends sign-out messages, several at once."""

    def __init__(self, raw_store: RawStore, senders: Mapping[str, LogoutSender], clock: Clock) -> None:
        self._senders = senders
        self._dispatcher = Dispatcher(
            LOGOUT, SessionOutbox(raw_store), clock, BACKOFF, MAX_ATTEMPTS, SENDING_S, _record_settled
        )
        self._pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="sign-out")  # threads start on use

    def tell(self, messages: Sequence[Message], wait_s: float) -> list[Outcome]:
        """Send new messages and return, after at most `wait_s`, which were confirmed.

        Effect:  slower sends continue in the background. The sweep sends failed ones again
        """
        if not messages:
            return []
        attempts: dict[Future[bool], Message] = {self._submit(message): message for message in messages}
        done, _late = wait(attempts, timeout=wait_s)
        return [
            Outcome(logout_in(message).application, future in done and future.result())
            for future, message in attempts.items()
        ]

    def sweep(self) -> int:
        """Send due messages and return how many. Two sweeps at once share the work."""
        if not self._dispatcher.any_due():
            return 0
        due = self._dispatcher.take_due(SWEEP_SIZE)
        wait([self._submit(message) for message in due])
        return len(due)

    def forget_settled(self) -> int:
        """Delete messages that were settled more than a day ago."""
        return self._dispatcher.forget_settled(SETTLED_KEPT_S)

    def close(self) -> None:
        """Wait for sends in progress."""
        self._pool.shutdown(wait=True)

    def _submit(self, message: Message) -> Future[bool]:
        # With the request's correlation id, so that the journal shows what it led to.
        return self._pool.submit(copy_context().run, self._attempt, message)

    def _attempt(self, message: Message) -> bool:
        try:
            return self._dispatcher.attempt(message, self._deliver).verdict is Verdict.SENT
        except Exception:  # the session has ended, and the page must say so, even if the database does not answer now
            log.exception("logout not noted; it is sent again", message=message.message_id)
            return False

    def _deliver(self, message: Message) -> Delivery:
        """Send one logout. It never raises, because no caller may be waiting."""
        try:
            self._senders[message.topic].tell(logout_in(message))
        except IdpError as failure:
            return Delivery(Verdict.RETRY, f"{failure.code}: {failure}")
        except Exception:
            log.exception("logout not sent", message=message.message_id)
            return Delivery(Verdict.RETRY, "internal")
        return SENT


def _record_settled(raw: Raw, message: Message, delivery: Delivery, at: float) -> None:
    logout = logout_in(message)
    kind = event_types.LOGOUT_CONFIRMED if delivery.verdict is Verdict.SENT else event_types.LOGOUT_GIVEN_UP
    data = {"application": logout.application, "session": logout.session_id, "tries": message.attempts}
    add_events(raw, [row(Event(kind, logout.account_id, reason=delivery.error[:200], data=data), at)])
