"""Import a file with little ceremony, and see what the store holds afterwards."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.status import AccessPolicy
from idp.people.tables import account, assigned_identifier, enrolment, person
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.targets.accounts import AccountsTarget
from idp.registry.export_file import Progress
from idp.registry.imports import import_file
from idp.registry.reasons import Refusal
from idp.registry.results import ImportResult
from idp.registry.settings import RegistrySettings
from idp.registry.tables import quarantine
from tests.support.actors import SHELL
from tests.support.clock import ManualClock
from tests.support.provisioning import NO_LIMITS

ZONE = ZoneInfo("Europe/Warsaw")


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry side of a test installation."""

    databases: Databases
    keys: Keys
    clock: ManualClock
    settings: RegistrySettings = field(default_factory=RegistrySettings)
    policy: AccessPolicy = field(default_factory=AccessPolicy)

    def take(
        self, file: Path, *, delta: bool = False, accept: tuple[Refusal, ...] = (), progress: Progress = no_progress
    ) -> ImportResult:
        """Import `file`."""
        return import_file(
            self.databases,
            self.keys,
            self.settings,
            self.policy,
            self.clock,
            ZONE,
            file,
            delta=delta,
            actor=SHELL,
            accept=accept,
            progress=progress,
        )

    def carry_out(self) -> None:
        """Open and close accounts as the records ask, in a run of its own without limits."""
        targets = {"accounts": AccountsTarget(self.databases.identity)}
        settings = ProvisioningSettings(limits=NO_LIMITS)
        provisioner = Provisioner(self.databases, targets, PeopleSettings(), settings, ZONE, self.clock)
        apply_run(provisioner, make_plan(provisioner, SHELL).run_id, SHELL)

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what is stored, without keys made by chance, times of ours, and names of imports and lines."""
        with self.databases.identity.read() as connection:
            os_ids = {row.person_id: row.os_id for row in connection.execute(select(person))}
            plain = [
                c
                for c in person.c
                if c.name not in ("person_id", "uid", "first_seen_at", "source_import", "source_line")
            ]
            programmes = [c for c in enrolment.c if c.name not in ("source_import", "source_line")]
            owned = {
                "person": [tuple(row) for row in connection.execute(select(*plain))],
                "enrolment": [(os_ids[row.person_id], *row[1:]) for row in connection.execute(select(*programmes))],
                "account": [
                    (os_ids[row.account_id], row.kind, row.display_name, row.enabled, row.epoch, row.language)
                    for row in connection.execute(select(account))
                ],
                "assigned_identifier": [
                    (os_ids[row.owner_id], row.value)
                    for row in connection.execute(
                        select(assigned_identifier).where(assigned_identifier.c.kind == "album")
                    )
                ],
                "quarantine": [
                    (row.os_id, row.programme, row.reason, row.row_mac)
                    for row in connection.execute(select(quarantine))
                ],
            }
        return {name: sorted(rows, key=str) for name, rows in owned.items()}
