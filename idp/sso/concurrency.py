"""Limit parallel work fairly: a few are served, some wait, the others are asked to come back."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from idp.errors import Refused, TargetUnavailable


class TooBusy(Refused):
    """More ask at once than can be served; a retry a little later helps."""

    code = "too_busy"
    retryable = True


@dataclass(eq=False, slots=True)
class _Waiting:
    """One that waits for a slot."""

    account: str
    network: str
    came_at: float
    decided: threading.Event = field(default_factory=threading.Event)
    has_slot: bool = False


class ConcurrencyLimiter:
    """Gives out slots. A password hash needs memory and a core for tens of milliseconds.

    A storm of sign-ins must neither exhaust the memory nor take every thread from people who are signed in already.
    If all places are taken, a new request takes the place of a waiting one whose account or network has at least two
    places more than its own. So nobody can keep the others out.
    """

    def __init__(self, served_at_once: int, waiting: int, wait_s: float) -> None:
        self._served_at_once = served_at_once
        self._places = waiting
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._serving = 0
        self._waiting: list[_Waiting] = []  # the earliest first
        self._accounts: Counter[str] = Counter()  # places in use: served and waiting
        self._networks: Counter[str] = Counter()
        self._unavailable_at = float("-inf")

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        with self._lock:
            return len(self._waiting)

    @contextmanager
    def slot(self, account: str = "", network: str = "") -> Iterator[None]:
        """Hold a slot for the length of the block; wait for it before.

        Shape:   account, network: whose work it is; "" counts for nobody
        Raises:  TooBusy when there is no place, or none becomes free in time; TargetUnavailable when the directory did
                 not answer somebody served after we came: so a silent directory costs each one time limit at most
        """
        came_at = time.monotonic()
        self._enter(_Waiting(account, network, came_at))
        try:
            if self._unavailable_at > came_at:
                # Not noted again: those who come from now on try for themselves.
                raise TargetUnavailable("it did not answer those who were served before")
            try:
                yield
            except TargetUnavailable:
                self._unavailable_at = time.monotonic()
                raise
        finally:
            self._leave(account, network)

    def _enter(self, request: _Waiting) -> None:
        with self._lock:
            if self._serving < self._served_at_once and not self._waiting:
                self._serving += 1
                self._count(request, 1)
                return
            if len(self._waiting) >= self._places:
                self._put_off(self._crowding(request))
            self._waiting.append(request)
            self._count(request, 1)
        request.decided.wait(self._wait_s)
        with self._lock:
            if request.has_slot:
                return
            if request in self._waiting:  # too late; one that was put off is not there any more
                self._waiting.remove(request)
                self._count(request, -1)
        raise TooBusy

    def _leave(self, account: str, network: str) -> None:
        with self._lock:
            self._count(_Waiting(account, network, 0.0), -1)
            if not self._waiting:
                self._serving -= 1
                return
            following = self._waiting.pop(0)  # takes over the slot
            following.has_slot = True
            following.decided.set()

    def _crowding(self, request: _Waiting) -> _Waiting:
        """Return the latest waiting one of the account, or else the network, that crowds most.

        Raises:  TooBusy when nobody crowds more than the new request would
        """
        for counts, key_of in ((self._accounts, _account_of), (self._networks, _network_of)):
            waiting = [one for one in self._waiting if key_of(one)]
            most = max((counts[key_of(one)] for one in waiting), default=0)
            if most >= counts[key_of(request)] + 2:
                return next(one for one in reversed(waiting) if counts[key_of(one)] == most)
        raise TooBusy

    def _put_off(self, crowding: _Waiting) -> None:
        self._waiting.remove(crowding)
        self._count(crowding, -1)
        crowding.decided.set()

    def _count(self, one: _Waiting, change: int) -> None:
        for counts, key in ((self._accounts, one.account), (self._networks, one.network)):
            if key:
                counts[key] += change
                if not counts[key]:
                    del counts[key]


def _account_of(one: _Waiting) -> str:
    return one.account


def _network_of(one: _Waiting) -> str:
    return one.network
