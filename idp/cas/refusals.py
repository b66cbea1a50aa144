"""Addresses that nobody registered, in the journal: seldom enough that nobody can fill it from outside."""

from collections.abc import Callable

from idp.audit import event_types
from idp.audit.events import Event, row
from idp.audit.sampler import EventSampler
from idp.cas.urls import parse_service_url
from idp.clock import Clock
from idp.db.raw import RawStore
from idp.errors import InvalidServiceUrl
from idp.sso import session_queries as store

UNREADABLE = ""


class UnregisteredNotes:
    """Counts refusals by host and tells of each host at most once an hour, in each process."""

    def __init__(self, write: Callable[[str, int], None], clock: Clock) -> None:
        """`write` hears the host, and how often it was refused since it was last told of."""
        self._write = write
        self._clock = clock
        self._seldom = EventSampler()

    def note(self, address: str) -> None:
        """Count one more refused address."""
        if told := self._seldom.count(host_of(address), self._clock.timestamp()):
            self._write(*told)


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
            store.add_events(raw, [row(Event(event_types.SERVICE_UNREGISTERED, data=data), clock.timestamp())])

    return UnregisteredNotes(write, clock)
