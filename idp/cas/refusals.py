"""Addresses that nobody registered, in the journal: seldom enough that nobody can fill it from outside."""

import threading
from collections.abc import Callable

from idp.audit import words
from idp.audit.events import Event, row
from idp.cas.urls import parse_service_url
from idp.clock import Clock
from idp.errors import InvalidServiceUrl
from idp.store import sessions as store
from idp.store.raw import RawStore

EVERY_S = 3600.0
MOST_HOSTS = 50  # told of by name in that time; further ones are counted together
UNREADABLE, OTHERS = "", "*"


class UnregisteredNotes:
    """Counts refusals by host and tells of each host at most once an hour, in each process."""

    def __init__(self, write: Callable[[str, int], None], clock: Clock) -> None:
        """`write` hears the host, and how often it was refused since it was last told of."""
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}  # host -> when it was told of, refusals since then

    def note(self, address: str) -> None:
        """Count one more refused address."""
        now, host = self._clock.timestamp(), host_of(address)
        with self._lock:
            if host not in self._told:
                self._told = {one: told for one, told in self._told.items() if now - told[0] < EVERY_S}
                host = host if len(self._told) < MOST_HOSTS else OTHERS
            told_at, count = self._told.get(host, (float("-inf"), 0))
            is_due = now - told_at >= EVERY_S
            self._told[host] = (now, 0) if is_due else (told_at, count + 1)
        if is_due:
            self._write(host, count + 1)


def host_of(address: str) -> str:
    """Return the host of an address, or nothing for a text that is none; never the rest, which may hold secrets."""
    try:
        return parse_service_url(address).host
    except InvalidServiceUrl:
        return UNREADABLE


def journal_unregistered(raw_store: RawStore, clock: Clock) -> UnregisteredNotes:
    """Return notes that write service.unregistered."""

    def write(host: str, count: int) -> None:
        data = {"host": host, "refused": count}
        with raw_store.lend() as raw:
            store.add_events(raw, [row(Event(words.SERVICE_UNREGISTERED, data=data), clock.timestamp())])

    return UnregisteredNotes(write, clock)
