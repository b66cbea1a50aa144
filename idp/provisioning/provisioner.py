"""What every step of provisioning is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from idp.clock import Clock
from idp.db.databases import Databases
from idp.people.settings import PeopleSettings
from idp.people.status import local_date
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.target import Target, in_stage_order


@dataclass(frozen=True, slots=True)
class Provisioner:
    """The store, the targets by kind in the order of their stages, and the rules' settings; idp.app makes it."""

    databases: Databases
    targets: Mapping[str, Target]
    people: PeopleSettings
    settings: ProvisioningSettings
    zone: ZoneInfo  # rights begin and end at the university's midnight
    clock: Clock
    paces: Mapping[str, float] = field(default_factory=dict)  # most writes a second, by target; none: no limit

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", in_stage_order(self.targets.values()))

    def today(self) -> date:
        """Return the university's calendar day."""
        return local_date(self.clock.now(), self.zone)

    def close(self) -> None:
        """Give the targets' connections back."""
        for target in self.targets.values():
            target.close()
