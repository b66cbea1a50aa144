"""People for whom the rules fail: they wait for an hour, and nobody waits for them. All of them: nothing is planned."""

from dataclasses import dataclass, field

import pytest

from idp.db.databases import Databases
from idp.errors import ConfigError, TargetUnavailable
from idp.keys.key_files import Keys
from idp.people.change_queries import changes_among
from idp.people.settings import PeopleSettings
from idp.provisioning import run_queries
from idp.provisioning.live import reconcile_person, sweep_live
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import ASIDE, ODD_PEOPLE, recompute_changed
from idp.provisioning.records import PersonRecords
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.state_queries import states_among
from idp.provisioning.target import Target
from idp.provisioning.values import Entry
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_person, mark
from tests.support.students import Student

ACTOR = shell("test")
PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(3)]
MORE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(3, 3 + ODD_PEOPLE)]
ODD, *OTHERS = [student.person_id for student in PEOPLE]


@dataclass(frozen=True)
class FailingRules(Provisioner):
    """Its rules raise an error for some people."""

    odd: set[str] = field(default_factory=set)

    def effective_entry(self, person: PersonRecords, target: Target) -> Entry:
        if person.person_id in self.odd:
            raise ValueError("a rule met what it does not expect")
        return super().effective_entry(person, target)


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock) -> FailingRules:
    add_students(databases, keys, PEOPLE)
    targets: dict[str, Target] = {"faulty": FaultyTarget()}
    return FailingRules(databases, targets, PeopleSettings(), ProvisioningSettings(), ZONE, clock, odd={ODD})


def computed(provisioner: Provisioner) -> set[str]:
    """Return the people of whom something is desired."""
    return set(provisioner.read(states_among, "faulty", [ODD, *OTHERS]))


def waiting(provisioner: Provisioner) -> set[str]:
    return set(provisioner.read(changes_among, [ODD, *OTHERS]))


def test_whoever_the_rules_fail_for_waits_for_an_hour_and_blocks_nobody(
    provisioner: FailingRules, clock: ManualClock
) -> None:
    recompute_changed(provisioner)
    assert computed(provisioner) == set(OTHERS)
    assert waiting(provisioner) == {ODD}

    provisioner.odd.clear()
    clock.advance(ASIDE.total_seconds() - 1)
    recompute_changed(provisioner)
    assert waiting(provisioner) == {ODD}

    clock.advance(1)
    recompute_changed(provisioner)
    assert computed(provisioner) == {ODD, *OTHERS}
    assert waiting(provisioner) == set()


def test_the_next_change_of_their_records_is_computed_at_once(provisioner: FailingRules) -> None:
    recompute_changed(provisioner)
    provisioner.odd.clear()

    change_person(provisioner.databases, ODD, surname="Nowak")
    recompute_changed(provisioner)

    assert computed(provisioner) == {ODD, *OTHERS}
    assert waiting(provisioner) == set()


def test_a_plan_names_people_for_whom_the_rules_fail(provisioner: FailingRules) -> None:
    run = make_plan(provisioner, ACTOR)

    findings = provisioner.read(run_queries.findings_of, run.run_id)
    assert [(row.person_id, "the rules failed" in row.what) for row in findings] == [(ODD, True)]
    assert run.changes == len(OTHERS)


@pytest.mark.parametrize("scope", Scope)
def test_rules_that_fail_for_everybody_end_a_plan_and_set_nobody_aside(
    provisioner: FailingRules, keys: Keys, scope: Scope
) -> None:
    add_students(provisioner.databases, keys, MORE)
    everybody = [*PEOPLE, *MORE]
    provisioner.odd.update(student.person_id for student in everybody)
    with pytest.raises(ConfigError, match=f"the rules failed for all of {len(everybody)} people"):
        make_plan(provisioner, ACTOR, scope=scope)

    provisioner.odd.clear()
    assert make_plan(provisioner, ACTOR).changes == len(everybody)


def test_a_few_odd_people_alone_end_no_plan(provisioner: FailingRules) -> None:
    provisioner.odd.update([ODD, *OTHERS])

    run = make_plan(provisioner, ACTOR)

    assert len(provisioner.read(run_queries.findings_of, run.run_id)) == len(PEOPLE)
    assert make_plan(provisioner, ACTOR).changes == 0  # they wait for an hour


def test_a_request_says_that_the_rules_failed_and_the_worker_goes_on(
    provisioner: FailingRules, clock: ManualClock
) -> None:
    mark(provisioner.databases, [ODD], live=True)
    with pytest.raises(TargetUnavailable, match="the rules failed"):
        reconcile_person(provisioner, ODD)

    provisioner.odd.clear()
    clock.advance(ASIDE.total_seconds())
    assert sweep_live(provisioner) == 1
    assert waiting(provisioner) == set(OTHERS)
