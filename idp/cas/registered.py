"""The services registered now: re-read when a file changes, the old set kept when a new one is bad."""

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog

from idp.audit import event_types
from idp.audit.events import Event, row
from idp.cas.services import Service, Services, read_services
from idp.clock import Clock
from idp.db.raw import RawStore
from idp.errors import ConfigError
from idp.sso import session_queries as store

LOOK_EVERY_S = 2.0

log = structlog.get_logger(__name__)

Fingerprint = tuple[tuple[str, int, int], ...]


class RegisteredServices:
    """Built-in services and those in `folders`, as of two seconds ago at most."""

    def __init__(
        self,
        folders: Sequence[Path],
        built_in: Iterable[Service],
        clock: Clock,
        on_refused: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """`on_refused` hears, once per change, why a changed set was not taken."""
        self._folders = tuple(folders)
        self._built_in = tuple(built_in)
        self._clock = clock
        self._on_refused = on_refused
        self._looking = threading.Lock()
        self._looked_at = float("-inf")
        self._seen: Fingerprint | None = None
        self._services = Services.of(self._built_in)

    def current(self) -> Services:
        """Return the services; looks at the folders when the last look is old enough."""
        now = self._clock.timestamp()
        # One thread looks; the others go on with what was there a moment ago, except before the first look.
        if now - self._looked_at >= LOOK_EVERY_S and self._looking.acquire(blocking=self._seen is None):
            try:
                if now - self._looked_at >= LOOK_EVERY_S:
                    self._look()
                    self._looked_at = now
            finally:
                self._looking.release()
        return self._services

    def _look(self) -> None:
        files = service_files(self._folders)
        seen = _fingerprint(files)
        if seen == self._seen:
            return
        try:
            self._services = Services.of([*self._built_in, *read_services(files)])
        except ConfigError as error:
            if self._seen is None:
                self._services = self._those_that_are_good(files)
            log.error("registered services refused, the old ones stay", why=str(error))
            self._on_refused(str(error))
        self._seen = seen

    def _those_that_are_good(self, files: Iterable[Path]) -> Services:
        """At start there is no old set: one bad file must not keep everybody else's application out."""
        good = {service.id: service for service in self._built_in}
        for file in files:
            try:
                (service,) = read_services([file])
            except ConfigError:
                continue
            good.setdefault(service.id, service)
        return Services(good)


def journal_refusals(raw_store: RawStore, clock: Clock) -> Callable[[str], None]:
    """Return an `on_refused` that writes services.refused."""

    def write(why: str) -> None:
        now = clock.timestamp()
        with raw_store.lend() as raw:
            store.add_events(raw, [row(Event(event_types.SERVICES_REFUSED, reason=why[:200]), now)])

    return write


def service_files(folders: Iterable[Path]) -> list[Path]:
    """Return the registration files in `folders`, sorted; a folder that is not there holds none."""
    return [file for folder in folders for file in sorted(folder.glob("*.toml"))]


def _fingerprint(files: Iterable[Path]) -> Fingerprint:
    seen = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue  # gone between listing and looking
        seen.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(seen)
