"""Keycloak fails in the middle of a run over two targets: the directory is not kept waiting, and nothing is lost."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from deploy.keycloak.private import PrivateKeycloak
from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.errors import TargetUnavailable
from idp.keys.key_files import Keys
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run, result_of
from idp.provisioning.health import health_of
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeState, RunState
from idp.provisioning.targets.keycloak import KeycloakTarget
from tests.support.clock import ManualClock
from tests.support.faulty_http import Fault, FaultyHttp
from tests.support.keycloak import make_keycloak_target
from tests.support.provisioning import add_students, change_person, change_status, make_provisioner, waiting
from tests.support.rounds import ACTOR, OUTAGE_S, RECOVERY_S, after, rounds_for, seconds_until_over
from tests.support.students import Student

pytestmark = pytest.mark.xdist_group("keycloak")
PEOPLE = [Student(f"{number:032x}", album=str(10_000 + number)) for number in range(45)]
THERE, RENAMED, SUSPENDED, NEW = PEOPLE[:30], PEOPLE[:15], PEOPLE[15:20], PEOPLE[30:]
CHANGES = len(RENAMED) + len(SUSPENDED) + len(NEW)  # in each target


@dataclass(frozen=True)
class Both:
    """A run over a directory and a Keycloak that a proxy stands before."""

    provisioner: Provisioner
    proxy: FaultyHttp
    eyes: KeycloakTarget  # past the proxy
    run_id: str

    def rows(self, target: str) -> dict[str, int]:
        """Return how many changes are in which state."""
        with self.provisioner.databases.identity.read() as connection:
            return run_queries.count_by_target(connection, self.run_id)[target]

    def enabled(self) -> dict[str, bool]:
        """Return which users Keycloak has, and who of them may sign in."""
        return {entry.person_id: entry.enabled for entry in self.eyes.read()}


@pytest.fixture
def both(
    databases: Databases, directory: PrivateSlapd, keycloak: PrivateKeycloak, clock: ManualClock, keys: Keys
) -> Iterator[Both]:
    """People in both targets, and a plan to rename, shut and add some."""
    keycloak.reset()
    eyes = make_keycloak_target(keycloak)
    with FaultyHttp("127.0.0.1", keycloak.port) as proxy:
        others: dict[str, Any] = {"keycloak": make_keycloak_target(keycloak, url=proxy.url, timeout_s=1.5)}
        provisioner = make_provisioner(databases, directory, clock, others=others, batch=5)
        add_students(databases, keys, THERE)
        first = replace(provisioner, targets={**provisioner.targets, "keycloak": eyes})
        apply_run(first, make_plan(first, ACTOR).run_id, ACTOR)
        for student in RENAMED:
            change_person(databases, student.person_id, surname="Nowak")
        for student in SUSPENDED:
            change_status(databases, student.person_id, "suspended")
        add_students(databases, keys, NEW)
        yield Both(provisioner, proxy, eyes, make_plan(provisioner, ACTOR).run_id)
        provisioner.close()
    eyes.close()


@pytest.mark.parametrize("fault", [500, 503, "silent", "hangs up", "loses the answer"])
def test_a_keycloak_that_fails_in_mid_run_loses_nothing(both: Both, fault: Fault) -> None:
    before = both.enabled()
    provisioner, run_id = both.provisioner, both.run_id

    def fail() -> None:
        both.proxy.fault = lambda method, path, body: fault

    with pytest.raises(TargetUnavailable):
        # Most of the directory's part comes after Keycloak's.
        apply_run(provisioner, run_id, ACTOR, progress=after(35, fail))
    rounds_for(provisioner, OUTAGE_S)

    became = result_of(provisioner, run_id)
    assert (became.run.state, became.rejected, became.unverified) == (RunState.INCOMPLETE, 0, 0)
    assert both.rows("ldap") == {ChangeState.DONE: CHANGES}  # it goes on to the end
    waits = both.rows("keycloak")[ChangeState.OPEN]
    assert 0 < waits < CHANGES
    assert became.left == waits
    now = both.enabled()
    assert before.keys() <= now.keys()  # nobody was deleted
    shut = {person_id for person_id, is_enabled in now.items() if not is_enabled}
    assert shut <= {student.person_id for student in SUSPENDED}  # nobody was shut out who was not to be

    both.proxy.fault = lambda method, path, body: None
    assert seconds_until_over(provisioner, run_id, 2 * RECOVERY_S) < RECOVERY_S

    require_everything(both)


def require_everything(both: Both) -> None:
    provisioner = both.provisioner
    became = result_of(provisioner, both.run_id)
    assert (became.run.state, became.done, became.is_complete) == (RunState.APPLIED, 2 * CHANGES, True)
    assert both.enabled() == {student.person_id: student not in SUSPENDED for student in PEOPLE}
    assert waiting(provisioner.databases) == 0
    assert health_of(provisioner, "keycloak") is None
    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0  # both were read for it
