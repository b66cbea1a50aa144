"""Tell applications that a session ended: in the wake of the request, then by the sweep, until confirmed or given up.

The rows owed were written in the transaction that ended the session (idp.sso.sessions), so nothing is lost whoever
dies in between. A sender is plugged in per kind of application (CAS, later OIDC) by idp.app.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog

from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.clock import Clock
from idp.db.raw import RawStore
from idp.errors import IdpError
from idp.sso import session_queries as store
from idp.sso.session_queries import Owed

# After the try in the wake of the request: seconds until the next one. With the last, 13 hours have passed.
RETRIES_S = (30, 120, 600, 3600, 6 * 3600, 6 * 3600)
SETTLED_KEPT_S = 24 * 3600
AT_ONCE = 16
SWEEP_SIZE = 50
SENDING_S = 60  # longer than a sweep's sends can take

log = structlog.get_logger(__name__)


class LogoutSender(Protocol):
    """Tells one kind of application. CAS by a SAML document, OpenID Connect by a signed token."""

    def tell(self, owed: Owed) -> None:
        """Send one logout. Raises: TargetError when the application did not confirm."""


class State(StrEnum):
    """How it stands with one logout."""

    OWED = "owed"
    CONFIRMED = "confirmed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it stands with one application after the tries in the wake of a sign-out."""

    application: str
    is_confirmed: bool


class SignOutService:
    """Sends what is owed, several at once, and writes how each went."""

    def __init__(self, raw_store: RawStore, senders: Mapping[str, LogoutSender], clock: Clock) -> None:
        self._raw_store = raw_store
        self._senders = senders
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="sign-out")  # threads start on use

    def tell(self, owed: Sequence[Owed], wait_s: float) -> list[Outcome]:
        """Send these logouts in parallel and return, after `wait_s` at most, which were confirmed.

        Effect:  what takes longer goes on in the background; what fails stays owed for the sweep
        """
        if not owed:
            return []
        tries: dict[Future[bool], Owed] = {self._submit(one): one for one in owed}
        done, _late = wait(tries, timeout=wait_s)
        return [Outcome(one.application, future in done and future.result()) for future, one in tries.items()]

    def sweep(self) -> int:
        """Send what is due and return how many that were; two sweeps at once share the work."""
        now = self._clock.timestamp()
        with self._raw_store.lend() as raw:
            if not store.any_owed(raw, now):
                return 0
            due = store.claim_owed(raw, now, now + SENDING_S, SWEEP_SIZE)
        wait([self._submit(one) for one in due])
        return len(due)

    def forget_settled(self) -> int:
        """Delete rows settled more than a day ago."""
        with self._raw_store.lend() as raw:
            return store.forget_settled(raw, self._clock.timestamp() - SETTLED_KEPT_S)

    def close(self) -> None:
        """Wait for what is being sent."""
        self._pool.shutdown(wait=True)

    def _submit(self, owed: Owed) -> Future[bool]:
        # With the request's correlation id, so that the journal shows what it led to.
        return self._pool.submit(copy_context().run, self._try, owed)

    def _try(self, owed: Owed) -> bool:
        """Send one logout and write how it went; never raises, for nobody may be there to see it."""
        error = ""
        try:
            self._senders[owed.kind].tell(owed)
        except IdpError as failure:
            error = f"{failure.code}: {failure}"
        except Exception:
            log.exception("logout not sent", application=owed.application)
            error = "internal"
        self._settle(owed, error)
        return not error

    def _settle(self, owed: Owed, error: str) -> None:
        now = self._clock.timestamp()
        state, due_at = next_step(owed.tries, now, failed=bool(error))
        with self._raw_store.lend() as raw, raw.transaction():
            store.settle_owed(raw, owed.owed_id, state, owed.tries + 1, due_at, error)
            if state is not State.OWED:
                data = {"application": owed.application, "session": owed.session_id, "tries": owed.tries + 1}
                word = event_types.LOGOUT_CONFIRMED if state is State.CONFIRMED else event_types.LOGOUT_GIVEN_UP
                add_events(raw, [row(Event(word, owed.account_id, reason=error[:200], data=data), now)])


def next_step(tries: int, now: float, *, failed: bool) -> tuple[State, float]:
    """Return the state after one more try, and when to try again. Shape: tries: those before this one."""
    if not failed:
        return State.CONFIRMED, now
    if tries >= len(RETRIES_S):
        return State.GIVEN_UP, now
    return State.OWED, now + RETRIES_S[tries]
