"""A sweep for work that only an import, a run or a new day can cause."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from idp.clock import Clock
from idp.db.databases import Databases
from idp.people.status import local_date
from idp.provisioning.run_queries import last_started
from idp.registry.queries import newest_import_id


@dataclass(slots=True)
class AfterImports:
    """A sweep that works after each import, after each run, and once a day. A new worker works at once.

    A run enables the accounts of imported people. Rights begin and end on a day, so a day also changes things.
    """

    databases: Databases
    clock: Clock
    zone: ZoneInfo
    act: Callable[[], int]
    _seen: tuple[object, ...] | None = None

    def __call__(self) -> int:
        with self.databases.identity.read() as connection:
            run = last_started(connection)
            ended = (run.run_id, run.finished_at) if run else None
            present = (newest_import_id(connection), ended, local_date(self.clock.now(), self.zone))
        if present == self._seen:
            return 0
        done = self.act()
        self._seen = present
        return done
