"""Login tickets: each sign-in form that we show is good for one answer, wherever it comes from.

Source:  CAS Protocol 3.0.3, section 3.5
"""

from idp.clock import Clock
from idp.db.raw import RawStore
from idp.sso import session_queries as store
from idp.sso.tokens import short_token

PURPOSE, HEARING = "cas.lt", "cas.sound"
HEARINGS = 4  # a player may ask for one twice


class LoginTickets:
    """Kept on the server, hashed; nothing about a sign-in in progress is in the browser's hands."""

    def __init__(self, raw_store: RawStore, clock: Clock, lives_s: float) -> None:
        self._raw_store = raw_store
        self._clock = clock
        self._lives_s = lives_s

    def give(self, code: str = "") -> str:
        """Return a new login ticket. Shape: code: what stands in the picture of its form, if it has one"""
        ticket = short_token("LT-")
        self._keep(ticket, PURPOSE, code)
        return ticket

    def take(self, ticket: str) -> str | None:
        """Spend a login ticket and return its picture's code, None when it was not good; one of many takers wins."""
        with self._raw_store.lend() as raw:
            return store.consume_once(raw, ticket, PURPOSE, self._clock.timestamp())

    def let_hear(self, code: str) -> str:
        """Return a key by which the code of a picture can be heard a few times: not the ticket, since it travels in an
        address."""
        key = short_token("")
        self._keep(key, HEARING, f"{HEARINGS}:{code}")
        return key

    def hear(self, key: str) -> str | None:
        """Return the code to speak, or None when it was heard often enough."""
        with self._raw_store.lend() as raw, raw.transaction():
            kept = store.consume_once(raw, key, HEARING, self._clock.timestamp())
            if kept is None:
                return None
            left, _, code = kept.partition(":")
            if int(left) > 1:
                expires_at = self._clock.timestamp() + self._lives_s
                store.issue_once(raw, key, HEARING, f"{int(left) - 1}:{code}", expires_at)
        return code

    def _keep(self, key: str, purpose: str, data: str) -> None:
        with self._raw_store.lend() as raw:
            store.issue_once(raw, key, purpose, data, self._clock.timestamp() + self._lives_s)
