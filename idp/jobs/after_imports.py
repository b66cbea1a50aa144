"""What is worth looking for only when the records, or the day, have changed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from idp.clock import Clock
from idp.store.base import Databases
from idp.store.registry import newest_import_id


@dataclass(slots=True)
class AfterImports:
    """A sweep that looks after each import and once a day; a new worker looks at once.

    Rights begin and end on a day, so a record may come to count without an import.
    """

    databases: Databases
    clock: Clock
    zone: ZoneInfo
    act: Callable[[], int]
    _seen: tuple[str | None, date] | None = None

    def __call__(self) -> int:
        with self.databases.identity.read() as connection:
            present = (newest_import_id(connection), self.clock.now().astimezone(self.zone).date())
        if present == self._seen:
            return 0
        done = self.act()
        self._seen = present
        return done
