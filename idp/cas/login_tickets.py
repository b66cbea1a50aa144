"""Login tickets: each sign-in form that we show is good for one answer, wherever it comes from.

Source:  CAS Protocol 3.0.3, section 3.5
"""

from idp.clock import Clock
from idp.sso.tokens import short_token
from idp.store import sessions as store
from idp.store.raw import RawStore

PURPOSE = "cas.lt"


class LoginTickets:
    """Kept on the server, hashed; nothing about a sign-in in progress is in the browser's hands."""

    def __init__(self, raw_store: RawStore, clock: Clock, lives_s: float) -> None:
        self._raw_store = raw_store
        self._clock = clock
        self._lives_s = lives_s

    def give(self) -> str:
        """Return a new login ticket."""
        ticket = short_token("LT-")
        with self._raw_store.lend() as raw:
            store.give_once(raw, ticket, PURPOSE, "{}", self._clock.timestamp() + self._lives_s)
        return ticket

    def take(self, ticket: str) -> bool:
        """Spend a login ticket and return whether it was good; of parallel takers one gets True."""
        with self._raw_store.lend() as raw:
            return store.take_once(raw, ticket, PURPOSE, self._clock.timestamp()) is not None
