"""What is worth looking for only when the records, what was done about them, or the day have changed."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from idp.clock import Clock
from idp.db.databases import Databases
from idp.people.status import local_date
from idp.provisioning.run_queries import last_applied
from idp.registry.queries import newest_import_id


@dataclass(slots=True)
class AfterImports:
    """A sweep that looks after each import, after each run, and once a day; a new worker looks at once.

    A run opens the accounts of those whom an import brought. Rights begin and end on a day, so a record may come to
    count without an import.
    """

    databases: Databases
    clock: Clock
    zone: ZoneInfo
    act: Callable[[], int]
    _seen: tuple[object, ...] | None = None

    def __call__(self) -> int:
        with self.databases.identity.read() as connection:
            run = last_applied(connection)
            ended = (run.run_id, run.finished_at) if run else None
            present = (newest_import_id(connection), ended, local_date(self.clock.now(), self.zone))
        if present == self._seen:
            return 0
        done = self.act()
        self._seen = present
        return done
