"""A worker's signs of life, written by a thread of its own: a long piece of work must not look like a death."""

import threading
from importlib.metadata import version
from pathlib import Path

import structlog

from idp.clock import Clock
from idp.jobs.settings import JobsSettings
from idp.store import workers
from idp.store.base import Databases, StoreError
from idp.store.names import here, process_name

DAY_S = 24 * 3600

log = structlog.get_logger(__name__)


def is_gone(name: str) -> bool:
    """Return whether a worker of this machine has ended; of other machines only its silence says so."""
    place, _, process = name.rpartition("/")
    return place == here() and not Path(f"/proc/{process}").exists()


def alive(databases: Databases, clock: Clock) -> set[str]:
    """Return the names of the workers that live."""
    with databases.sessions.read() as connection:
        found = workers.alive(connection, clock.timestamp())
    return {one.worker_id for one in found if not is_gone(one.worker_id)}


def cut_off(databases: Databases, name: str) -> None:
    """Take from a worker that is taken for gone what it still holds in the database."""
    with databases.sessions.write() as connection:
        count = workers.cut_off(connection, name)
    if count:
        log.warning("connections of a silent worker ended", worker=name, connections=count)


class Liveness:
    """Signs every few seconds while inside.

    Shape:   with Liveness(databases, settings, clock) as me: … me.name …
    Effect:  at the end the sign is taken back, so that others take over at once
    """

    def __init__(self, databases: Databases, settings: JobsSettings, clock: Clock, release: str | None = None) -> None:
        self.name = process_name()
        self._databases = databases
        self._settings = settings
        self._clock = clock
        self._release = release or version("idp")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sign_on, name="liveness", daemon=True)

    def __enter__(self) -> "Liveness":
        self.sign()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=2.0)
        with self._databases.sessions.write() as connection:
            workers.leave(connection, self.name)

    def sign(self) -> None:
        """Write one sign of life."""
        now = self._clock.timestamp()
        with self._databases.sessions.write() as connection:
            carries, for_s = self._settings.carries_runs, self._settings.liveness_s
            workers.sign(connection, self.name, now, for_s, carries_runs=carries, version=self._release)
            workers.forget_before(connection, now - DAY_S)

    def _sign_on(self) -> None:
        while not self._ended.wait(self._settings.liveness_s / 6):
            try:
                self.sign()
            except StoreError as error:  # a database that restarts: the next sign comes soon
                log.warning("no sign of life", error=type(error).__name__)
