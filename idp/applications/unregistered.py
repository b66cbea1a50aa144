"""Record requests for addresses that nobody registered, at a rate that outsiders cannot raise."""

from collections.abc import Callable

from idp.applications.urls import parse_url
from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.audit.sampler import EventSampler
from idp.clock import Clock
from idp.db.raw import RawStore
from idp.errors import InvalidServiceUrl

UNREADABLE = ""


class UnregisteredNotes:
    """Counts refusals by host and records each host at most once an hour, in each process."""

    def __init__(self, write: Callable[[str, int], None], clock: Clock) -> None:
        """`write` gets the host, and how often it was refused since its last record."""
        self._write = write
        self._clock = clock
        self._sampler = EventSampler()

    def note(self, address: str) -> None:
        """Count one more refused address."""
        if told := self._sampler.count(host_of(address), self._clock.timestamp()):
            self._write(*told)


def host_of(address: str) -> str:
    """Return the host of an address, or "" for a text that is no address. The rest may hold secrets."""
    try:
        return parse_url(address).host
    except InvalidServiceUrl:
        return UNREADABLE


def journal_unregistered(raw_store: RawStore, clock: Clock) -> UnregisteredNotes:
    """Return notes that write application.unregistered."""

    def write(host: str, count: int) -> None:
        data = {"host": host, "refused": count}
        with raw_store.lend() as raw:
            add_events(raw, [row(Event(event_types.APPLICATION_UNREGISTERED, data=data), clock.timestamp())])

    return UnregisteredNotes(write, clock)
