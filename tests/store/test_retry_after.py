"""A target that asks for a pause, on both kinds of database."""

import pytest

from idp.db.databases import Databases
from idp.errors import TargetUnavailable
from idp.people.settings import PeopleSettings
from idp.provisioning.health import health_of, note_failure
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE


@pytest.mark.parametrize(("asked_s", "at_least_s", "at_most_s"), [(600.0, 600.0, 600.0), (None, 0.1, 5.0)])
def test_a_target_is_left_alone_for_as_long_as_it_asks(
    databases: Databases, clock: ManualClock, asked_s: float | None, at_least_s: float, at_most_s: float
) -> None:
    target = FaultyTarget()
    provisioner = Provisioner(databases, {target.kind: target}, PeopleSettings(), ProvisioningSettings(), ZONE, clock)

    pause_s = note_failure(provisioner, target.kind, TargetUnavailable("too many requests", retry_after_s=asked_s))

    found = health_of(provisioner, target.kind)
    assert found is not None
    assert at_least_s <= pause_s <= at_most_s
    assert found.open_until == pytest.approx(clock.timestamp() + pause_s)
