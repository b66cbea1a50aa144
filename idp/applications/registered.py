"""The applications registered now. Files are read again when they change; a bad set leaves the old one in place."""

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog

from idp.applications.files import Application, application_files, read_applications
from idp.applications.matching import Applications
from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.clock import Clock
from idp.db.raw import RawStore
from idp.errors import ConfigError

LOOK_EVERY_S = 2.0

log = structlog.get_logger(__name__)

Fingerprint = tuple[tuple[str, int, int], ...]


class RegisteredApplications:
    """Built-in applications and those in `folders`, at most two seconds old."""

    def __init__(
        self,
        folders: Sequence[Path],
        built_in: Iterable[Application],
        clock: Clock,
        on_refused: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """`on_refused` gets the reason why a changed set was refused, once per change."""
        self._folders = tuple(folders)
        self._built_in = tuple(built_in)
        self._clock = clock
        self._on_refused = on_refused
        self._looking = threading.Lock()
        self._looked_at = float("-inf")
        self._fingerprint: Fingerprint | None = None
        self._applications = Applications.of(self._built_in)

    def current(self) -> Applications:
        """Return the applications. Effect: reads the folders again when the last look is old enough."""
        now = self._clock.timestamp()
        # One thread looks. The others go on with the last set, except before the first look.
        if now - self._looked_at >= LOOK_EVERY_S and self._looking.acquire(blocking=self._fingerprint is None):
            try:
                if now - self._looked_at >= LOOK_EVERY_S:
                    self._look()
                    self._looked_at = now
            finally:
                self._looking.release()
        return self._applications

    def _look(self) -> None:
        files = application_files(self._folders)
        fingerprint = _fingerprint(files)
        if fingerprint == self._fingerprint:
            return
        try:
            self._applications = Applications.of([*self._built_in, *read_applications(files)])
        except ConfigError as error:
            if self._fingerprint is None:
                self._applications = self._good_ones(files)
            log.error("registered applications refused, the old ones stay", why=str(error))
            self._on_refused(str(error))
        self._fingerprint = fingerprint

    def _good_ones(self, files: Iterable[Path]) -> Applications:
        """At start there is no old set. One bad file must not keep all other applications out."""
        good = {application.id: application for application in self._built_in}
        for file in files:
            try:
                (application,) = read_applications([file])
            except ConfigError:
                continue
            good.setdefault(application.id, application)
        return Applications(good)


def journal_refusals(raw_store: RawStore, clock: Clock) -> Callable[[str], None]:
    """Return an `on_refused` that writes applications.refused."""

    def write(why: str) -> None:
        now = clock.timestamp()
        with raw_store.lend() as raw:
            add_events(raw, [row(Event(event_types.APPLICATIONS_REFUSED, reason=why[:200]), now)])

    return write


def _fingerprint(files: Iterable[Path]) -> Fingerprint:
    seen = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue  # gone between listing and looking
        seen.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(seen)
