"""A target that asks for a pause, on both kinds of database."""

import pytest
from sqlalchemy import select

from idp.audit import event_types
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import TargetUnavailable
from idp.people.settings import PeopleSettings
from idp.provisioning.health import TOLD_FROM, health_of, note_failure, try_again
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


def test_a_target_that_answers_again_is_well_where_nothing_must_be_written_there(
    databases: Databases, clock: ManualClock
) -> None:
    target = FaultyTarget()
    provisioner = Provisioner(databases, {target.kind: target}, PeopleSettings(), ProvisioningSettings(), ZONE, clock)
    for _ in range(TOLD_FROM):
        clock.advance(1 + note_failure(provisioner, target.kind, TargetUnavailable("no answer")))

    assert try_again(provisioner) == [target.kind]

    assert health_of(provisioner, target.kind) is None
    with databases.sessions.read() as connection:
        kinds = list(connection.execute(select(event_pending.c.kind)).scalars())
    assert event_types.TARGET_RECOVERED in kinds
