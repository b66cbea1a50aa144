"""What is drift, and what we write ourselves while a target is looked at, on both kinds of database."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.provisioning.drift import find_drift
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_person
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.state_queries import states_among
from idp.provisioning.target import ObservedChange, ObservedChanges
from idp.provisioning.target_states import State
from idp.provisioning.values import Entry
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.imports import ZONE
from tests.support.provisioning import add_students, change_person, change_status
from tests.support.students import Student

ACTOR = shell("test")
ANNA = Student("a" * 20, album="1", given_name="Anna", surname="Kowalska")


@dataclass
class TellingTarget(FaultyTarget):
    """Tells of everybody as touched; `later` happens between what it tells and what we make of it."""

    drift: Mapping[str, str] = field(default_factory=lambda: {"displayName": "adopt", "sn": "report"})
    later: list[Callable[[], object]] = field(default_factory=list)

    def cursor_now(self) -> str:
        return "0"

    def changes_since(self, cursor: str) -> ObservedChanges | None:
        seen = [ObservedChange(person_id, entry, by_others=False) for person_id, entry in self.entries.items()]
        while self.later:
            self.later.pop()()
        return ObservedChanges(cursor, seen, [])

    def remote_ids(self) -> Iterator[tuple[str, str]]:
        yield from ((person_id, person_id) for person_id in self.entries)


@pytest.fixture
def target() -> TellingTarget:
    return TellingTarget(attributes={"displayName": "full_name", "sn": "surname", "givenName": "given_name"})


@pytest.fixture
def provisioner(databases: Databases, keys: Keys, clock: ManualClock, target: TellingTarget) -> Provisioner:
    """Anna is in the target, and a first look is taken."""
    add_students(databases, keys, [ANNA])
    made = Provisioner(databases, {target.kind: target}, PeopleSettings(), ProvisioningSettings(), ZONE, clock)
    assert apply_run(made, make_plan(made, ACTOR).run_id, ACTOR).is_complete
    find_drift(made, target.kind)
    return made


def marry(provisioner: Provisioner, surname: str) -> Callable[[], object]:
    def act() -> None:
        change_person(provisioner.databases, ANNA.person_id, surname=surname)
        reconcile_person(provisioner, ANNA.person_id)

    return act


def test_our_own_write_after_a_target_told_is_no_drift(provisioner: Provisioner, target: TellingTarget) -> None:
    target.later = [marry(provisioner, "Nowak")]

    assert find_drift(provisioner, target.kind).differences == []

    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0
    assert target.entries[ANNA.person_id].attributes["displayName"] == ("Anna Nowak",)


def test_our_own_write_while_we_look_again_is_no_drift(provisioner: Provisioner, target: TellingTarget) -> None:
    target.later = [marry(provisioner, "Nowak")]
    target.meanwhile = [marry(provisioner, "Lis")]

    assert find_drift(provisioner, target.kind).differences == []

    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0
    assert target.entries[ANNA.person_id].attributes["displayName"] == ("Anna Lis",)


def test_what_the_records_ask_anew_is_not_kept_back_by_what_others_changed(
    provisioner: Provisioner, databases: Databases, target: TellingTarget
) -> None:
    change_person(databases, ANNA.person_id, surname="Nowak")
    entry = target.entries[ANNA.person_id]
    meddled = {**entry.attributes, "givenName": ("Ania",)}
    target.entries[ANNA.person_id] = replace(entry, attributes=meddled)

    assert find_drift(provisioner, target.kind).differences == []
    apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)

    assert target.entries[ANNA.person_id].attributes["displayName"] == ("Anna Nowak",)


@pytest.mark.parametrize("whole", [False, True])
def test_an_entry_of_somebody_who_needs_none_and_had_none_is_disabled(
    provisioner: Provisioner, databases: Databases, target: TellingTarget, whole: bool
) -> None:
    change_status(databases, ANNA.person_id, "graduated_diploma", date(2010, 1, 1))
    del target.entries[ANNA.person_id]
    make_plan(provisioner, ACTOR, scope=Scope.ALL)
    state = provisioner.read(states_among, target.kind, [ANNA.person_id])[ANNA.person_id]
    assert (state.state, state.applied) == (State.IN_SYNC, None)

    restored = Entry(ANNA.person_id, ANNA.uid, True, {"sn": ("Kowalska",)})
    target.entries[ANNA.person_id] = restored
    find_drift(provisioner, target.kind, whole=whole)
    apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)

    assert not target.entries[ANNA.person_id].enabled
