"""A worker's heartbeat, written by its own thread, so that long work does not look like a dead worker."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import structlog

from idp.clock import Clock
from idp.db import workers
from idp.db.databases import Databases, StoreError
from idp.db.process_names import here, process_name
from idp.jobs.lanes import Lane
from idp.jobs.settings import JobsSettings

DAY_S = 24 * 3600

log = structlog.get_logger(__name__)


def is_gone(name: str) -> bool:
    """Return whether a worker of this machine has ended. Workers of other machines are dead after their lease."""
    place, _, process = name.rpartition("/")
    return place == here() and not Path(f"/proc/{process}").exists()


def alive(databases: Databases, clock: Clock) -> set[str]:
    """Return the names of the living workers."""
    with databases.sessions.read() as connection:
        found = workers.alive(connection, clock.timestamp())
    return {one.worker_id for one in found if not is_gone(one.worker_id)}


def cut_off(databases: Databases, name: str) -> None:
    """End the database transactions of a worker that counts as dead."""
    with databases.sessions.write() as connection:
        count = workers.cut_off(connection, name)
    if count:
        log.warning("connections of a silent worker ended", worker=name, connections=count)


@contextmanager
def signing(sign: Callable[[], None], every_s: float, *, wait_s: float | None = None, **who: str) -> Iterator[None]:
    """Call `sign` every few seconds from another thread, until the block ends.

    Shape:   wait_s: how long to wait at the end for a heartbeat in progress; who: logged when a heartbeat fails
    """
    ended = threading.Event()

    def sign_on() -> None:
        while not ended.wait(every_s):
            try:
                sign()
            except StoreError as error:  # a database that is busy or restarts: the next heartbeat comes soon
                log.warning("no sign of life", error=type(error).__name__, **who)

    thread = threading.Thread(target=sign_on, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(wait_s)


class Liveness:
    """Writes a heartbeat every few seconds until the block ends.

    Shape:   with Liveness(databases, settings, clock) as me: … me.name …
    Effect:  at the end the worker signs off, so that others reclaim its work at once
    """

    def __init__(
        self,
        databases: Databases,
        settings: JobsSettings,
        clock: Clock,
        release: str | None = None,
        lane: Lane = Lane.BULK,
    ) -> None:
        self.lane = lane
        self.name = process_name()
        self._databases = databases
        self._settings = settings
        self._clock = clock
        self._release = release or version("idp")
        self._inside = ExitStack()

    def __enter__(self) -> "Liveness":
        self.sign()
        self._inside.callback(self._leave)
        self._inside.enter_context(signing(self.sign, self._settings.liveness_s / 6, wait_s=2.0))
        return self

    def __exit__(self, *_: object) -> None:
        self._inside.close()

    def sign(self) -> None:
        """Write one heartbeat."""
        now = self._clock.timestamp()
        with self._databases.sessions.write() as connection:
            executes_runs, for_s = self.lane is Lane.BULK and self._settings.executes_runs, self._settings.liveness_s
            workers.sign(
                connection,
                self.name,
                now,
                for_s,
                executes_runs=executes_runs,
                version=self._release,
                lane=self.lane,
            )
            workers.forget_silent(connection, now, DAY_S)

    def _leave(self) -> None:
        with self._databases.sessions.write() as connection:
            workers.leave(connection, self.name)
