"""Start, find, list and end sign-on sessions. Every step is one transaction on a raw connection."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import SYSTEM, Event, new_id, row
from idp.clock import Clock
from idp.db import outbox
from idp.db.outbox import Message
from idp.db.raw import Raw, RawStore
from idp.people.account_queries import Account
from idp.permissions import Actor, Permission
from idp.sso import session_queries as store
from idp.sso.factors import Factor, FactorKind
from idp.sso.logouts import Logout, message_of
from idp.sso.session_queries import LiveSession, NewSession, Visited
from idp.sso.settings import SsoSettings
from idp.sso.tokens import long_token

TOUCH_SHARE = 20  # a use is stored after a twentieth of the idle time since the last stored use
SENDING_S = 30  # before that, only the request that caused a logout sends it
SWEEP_SIZE = 200
SWEPT_AT_ONCE = 20_000  # sessions checked in a round of the worker, in about 15 ms
MOST_PER_APPLICATION = 20  # logouts to one application in one session: the latest; older sessions there have ended


class Ended(StrEnum):
    """Why a session ended. It is the reason of the event."""

    SIGNED_OUT = "signed_out"
    REVOKED = "revoked"
    REPLACED = "replaced"  # another person signed in in the same browser
    ACCOUNT_CLOSED = "account_closed"  # disabled, or its epoch was raised
    EXPIRED = "expired"
    TOO_MANY = "too_many"  # the account has more sessions than sso.sessions_per_account


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in comes from, for the person's list of sessions and for the journal."""

    network: str = ""  # the client's address
    name: str = ""  # its User-Agent
    devices: tuple[str, ...] = ()  # tokens of its device cookie

    @property
    def short_name(self) -> str:
        """The User-Agent without control characters, cut to its column."""
        return "".join(one for one in self.name if unicodedata.category(one)[0] != "C")[:200]


@dataclass(frozen=True, slots=True)
class Started:
    """A new session and its token. Only the browser keeps the token."""

    token: str
    session_id: str
    logouts: tuple[Message, ...] = ()  # for applications of a session that this one replaced
    devices: tuple[str, ...] = ()  # the browser's device tokens from now on


def start(
    raw_store: RawStore,
    settings: SsoSettings,
    clock: Clock,
    account: Account,
    browser: Browser,
    *,
    replaces: str = "",
    remembered: bool = False,
    warns: bool = False,
) -> Started:
    """Start a session after the password was checked. The token is always new.

    Shape:   replaces: the browser's previous token. A session of the same account continues under the new token, with
             its applications. A session of another account ends
    Effect:  sign_in.succeeded, and session.ended for what was replaced and for sessions above the account's limit
    """
    now = clock.timestamp()
    token = long_token("TGC-")
    remembered = remembered and settings.remember_me
    lifetime_s = settings.remembered_s if remembered else settings.lifetime_s
    new = NewSession(
        session_id=new_id(),
        account_id=account.account_id,
        epoch=account.epoch,
        signed_in_at=now,
        idle_until=now + (lifetime_s if remembered else settings.idle_s),
        expires_at=now + lifetime_s,
        remembered=remembered,
        warns=warns,
        network=browser.network[:64],
        browser=browser.short_name,
        factors=(Factor(FactorKind.PASSWORD, now),),
    )
    with raw_store.lend() as raw, raw.transaction():
        before = store.find_session(raw, replaces, now) if replaces else None
        logouts: list[Message] = []
        session_id = new.session_id
        if before is not None and before.account_id == account.account_id:
            session_id = before.session_id
            store.renew_session(raw, session_id, token, new)
        else:
            if before is not None:
                logouts = _end(raw, [before.session_id], now, Ended.REPLACED, account.account_id)
            store.add_session(raw, token, new)
            beyond = store.sessions_beyond(raw, account.account_id, settings.sessions_per_account)
            logouts += _end(raw, beyond, now, Ended.TOO_MANY, account.account_id)
        data = {"session": session_id, "network": new.network}
        done = Event(event_types.SIGNED_IN, subject=account.account_id, actor=account.account_id, data=data)
        add_events(raw, [row(done, now)])
    return Started(token, session_id, tuple(logouts))


def find(raw_store: RawStore, settings: SsoSettings, clock: Clock, token: str) -> LiveSession | None:
    """Return the valid session of a browser's token.

    Effect:  the use is stored now and then, which extends the idle time
    """
    if not token:
        return None
    now = clock.timestamp()
    with raw_store.lend() as raw:
        session = store.find_session(raw, token, now)
        if session is not None and not session.remembered and now - session.seen_at > settings.idle_s / TOUCH_SHARE:
            store.touch_session(raw, session.session_id, now, now + settings.idle_s)
    return session


def list_of(raw_store: RawStore, clock: Clock, account_id: str) -> list[LiveSession]:
    """Return an account's valid sessions, the last used first."""
    with raw_store.lend() as raw:
        return store.sessions_of(raw, account_id, clock.timestamp())


def end(
    raw_store: RawStore, clock: Clock, session_ids: Sequence[str], reason: Ended, actor: str = SYSTEM
) -> list[Message]:
    """End sessions with their tickets, and return the sign-out messages.

    Effect:  in one transaction: sessions and tickets deleted, session.ended, a message per application. Ended
             sessions are ignored
    """
    now = clock.timestamp()
    with raw_store.lend() as raw, raw.transaction():
        return _end(raw, session_ids, now, reason, actor)


def end_one_of(raw_store: RawStore, clock: Clock, account_id: str, session_id: str, actor: Actor) -> list[Message]:
    """End one session of an account, for its owner or staff. A session of another account stays.

    Raises:  NotAllowed
    """
    _require_own_or_permission(actor, account_id)
    now = clock.timestamp()
    with raw_store.lend() as raw, raw.transaction():
        mine = [one for one in store.session_ids_of(raw, account_id) if one == session_id]
        return _end(raw, mine, now, Ended.REVOKED, actor.actor_id)


def end_all(raw_store: RawStore, clock: Clock, account_id: str, reason: Ended, actor: Actor) -> list[Message]:
    """End every session of an account, for its owner or staff.

    Raises:  NotAllowed
    """
    _require_own_or_permission(actor, account_id)
    now = clock.timestamp()
    with raw_store.lend() as raw, raw.transaction():
        return _end(raw, store.session_ids_of(raw, account_id), now, reason, actor.actor_id)


def _require_own_or_permission(actor: Actor, account_id: str) -> None:
    if actor.actor_id != account_id:
        actor.require(Permission.SESSIONS_END)


class ClosedAccounts:
    """Ends sessions of accounts that were disabled or got a new epoch.

    They are invalid since that moment. This sweep tells their applications. A round checks only some sessions, so its
    cost does not depend on the number of sessions.
    """

    def __init__(self, raw_store: RawStore, clock: Clock, part: int = SWEPT_AT_ONCE) -> None:
        self._raw_store = raw_store
        self._clock = clock
        self._part = part
        self._after = ""  # the last checked session of this pass

    def sweep(self) -> int:
        """Check the next sessions and return how many were ended."""
        with self._raw_store.lend() as raw:
            last = store.end_of_part(raw, self._after, self._part)

        def choose(raw: Raw, _now: float) -> list[str]:
            return store.closed_session_ids(raw, SWEEP_SIZE, self._after, last)

        ended = _sweep(self._raw_store, self._clock, Ended.ACCOUNT_CLOSED, choose)
        if ended < SWEEP_SIZE:  # otherwise there may be more here
            self._after = last or ""
        return ended


def sweep_expired(raw_store: RawStore, clock: Clock) -> int:
    """Delete expired sessions and return how many.

    Applications are not told, because the person may still work in one of them.
    """
    return _sweep(raw_store, clock, Ended.EXPIRED, lambda raw, now: store.expired_session_ids(raw, now, SWEEP_SIZE))


def _sweep(raw_store: RawStore, clock: Clock, reason: Ended, choose: Callable[[Raw, float], list[str]]) -> int:
    now = clock.timestamp()
    with raw_store.lend() as raw:
        if not choose(raw, now):
            return 0  # an idle round takes no write lock
        with raw.transaction():
            chosen = choose(raw, now)
            _end(raw, chosen, now, reason, SYSTEM, is_sent_at_once=False)  # no request sends them: the next sweep does
    return len(chosen)


def _end(
    raw: Raw, session_ids: Sequence[str], now: float, reason: Ended, actor: str, *, is_sent_at_once: bool = True
) -> list[Message]:
    logouts: list[Message] = []
    events = []
    for gone in store.remove_sessions(raw, session_ids):
        visited = latest_per_application(store.take_visited(raw, gone.session_id))
        if reason is not Ended.EXPIRED:
            attempts = 1 if is_sent_at_once else 0
            logouts.extend(message_of(_logout(one, gone.account_id), now, attempts) for one in visited)
        data = {"session": gone.session_id, "applications": sorted({one.application for one in visited})}
        ended = Event(event_types.SIGNED_OUT, gone.account_id, actor, reason, data)
        events.append(row(ended, now))
    if logouts:
        outbox.add(raw, logouts, first_attempt_at=now + SENDING_S if is_sent_at_once else now)
    add_events(raw, events)
    return logouts


def latest_per_application(visited: Sequence[Visited]) -> list[Visited]:
    """Return the latest few of each application. `visited` is sorted, latest first."""
    kept: list[Visited] = []
    counts: dict[str, int] = {}
    for one in visited:
        counts[one.application] = counts.get(one.application, 0) + 1
        if counts[one.application] <= MOST_PER_APPLICATION:
            kept.append(one)
    return kept


def _logout(visited: Visited, account_id: str) -> Logout:
    return Logout(
        protocol=visited.kind,
        account_id=account_id,
        session_id=visited.session_id,
        application=visited.application,
        address=visited.address,
        ticket=visited.ticket,
    )
