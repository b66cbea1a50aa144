"""What every target must do, run over every file in idp/provisioning/targets against the real system.

A new target needs one fixture, `<kind>_system`, that starts its system and returns a `System`; nothing else is edited.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.app.settings import target_modules
from idp.drivers.ldap_values import Add, AddValues, Modify
from idp.errors import IdpError, TargetRejected, TargetUnavailable
from idp.provisioning.values import Change, Entry, Kind, Target
from tests.support.provisioning import Eyes, ldap_entry, make_target


@dataclass(frozen=True)
class System:
    """One target over its running system, and what a test does to the system behind the target's back."""

    target: Target
    entry: Callable[..., Entry]  # (person_id, name, **changed attributes) -> an entry that the system accepts
    text_attribute: str  # takes any text
    stop: Callable[[], None]
    start: Callable[[], None]
    take_name: Callable[[str], None]  # an entry that is not ours gets this name
    is_untouched: Callable[[str], bool]  # … and still is as it was made
    meddle: Callable[[str], None]  # somebody adds to our entry of this name what we do not manage
    is_meddled: Callable[[str], bool]


@pytest.fixture
def ldap_system(slapd: PrivateSlapd) -> Iterator[System]:
    slapd.reset()
    target, eyes = make_target(slapd), Eyes(slapd)

    def take(name: str) -> None:
        entry = {"objectClass": ["inetOrgPerson"], "cn": ["Guest"], "sn": ["Guest"], "uid": [name]}
        eyes.directory.write(Add(slapd.settings.person_dn(name), entry))

    def meddle(name: str) -> None:
        eyes.directory.write(Modify(slapd.settings.person_dn(name), [AddValues("telephoneNumber", ["+48 1"])]))

    yield System(
        target=target,
        entry=ldap_entry,
        text_attribute="sn",
        stop=slapd.stop,
        start=slapd.restart,
        take_name=take,
        is_untouched=lambda name: eyes.value(name, "cn") == "Guest",
        meddle=meddle,
        is_meddled=lambda name: eyes.value(name, "telephoneNumber") == "+48 1",
    )
    target.close()
    eyes.directory.close()
    slapd.start()


@pytest.fixture(params=sorted(target_modules()))
def system(request: pytest.FixtureRequest) -> System:
    found: System = request.getfixturevalue(f"{request.param}_system")
    return found


def apply(system: System, *changes: Change) -> list[IdpError | None]:
    return [outcome.error for outcome in system.target.apply(changes)]


def held(system: System) -> list[Entry]:
    return sorted(system.target.read(), key=lambda entry: entry.person_id)


def test_it_has_its_files_name(system: System) -> None:
    assert system.target.kind == target_modules()[system.target.kind].KIND


def test_what_is_made_is_read_back_as_it_was_desired(system: System) -> None:
    people = [system.entry(f"p{number}", f"uaaaa{number}") for number in range(5)]

    assert apply(system, *(Change.create(each) for each in people)) == [None] * 5
    assert held(system) == people
    assert list(system.target.read(["p3", "p9"])) == [people[3]]
    assert list(system.target.read([])) == []
    assert system.target.read_one("p1", "uaaaa1") == people[1]
    assert system.target.read_one("p9", "uaaaa9") is None


@pytest.mark.parametrize("at_once", [False, True])
def test_each_kind_of_change_is_made_and_a_repeat_is_harmless(system: System, at_once: bool) -> None:
    text = system.text_attribute
    made = system.entry("p1", "uaaaa1")
    updated = system.entry("p1", "uaaaa1", **{text: "Żak"})
    renamed = system.entry("p1", "ubbbb1", **{text: "Żak"})
    disabled = system.entry("p1", "ubbbb1", **{text: "Żak", "idpStatus": "suspended"})
    walk = [None, made, updated, renamed, disabled, renamed, made]

    for before, after in itertools.pairwise(walk):
        assert after is not None
        change = Change.create(after) if before is None else Change.update(before, after)
        for _ in range(2):
            if at_once:
                system.target.apply_one(change)
            else:
                assert apply(system, change) == [None]
            assert held(system) == [after]
    removal = Change.remove(made, "asked for by a test")
    for _ in range(2):
        assert apply(system, removal) == [None]
    assert held(system) == []


def test_kinds_are_named_as_they_are(system: System) -> None:
    one, other = system.entry("p1", "uaaaa1"), system.entry("p1", "uaaaa1", idpStatus="suspended")

    assert (one.enabled, other.enabled) == (True, False)
    assert Change.update(one, other).kind is Kind.DISABLE


def test_many_changes_are_answered_in_order(system: System) -> None:
    changes = [Change.create(system.entry(f"p{number:03}", f"uaaaa{number:03}")) for number in range(200)]

    outcomes = list(system.target.apply(iter(changes)))

    assert [outcome.change for outcome in outcomes] == changes
    assert not any(outcome.error for outcome in outcomes)
    assert len(held(system)) == 200


def test_what_is_not_ours_is_neither_read_nor_written(system: System) -> None:
    system.take_name("uaaaa1")
    mine = system.entry("p1", "uaaaa1")

    assert [type(error) for error in apply(system, Change.create(mine))] == [TargetRejected]
    with pytest.raises(TargetRejected):
        system.target.apply_one(Change.create(mine))
    with pytest.raises(TargetRejected):
        system.target.read_one("p1", "uaaaa1")
    assert held(system) == []
    assert system.is_untouched("uaaaa1")


def test_what_others_added_to_our_entry_stays(system: System) -> None:
    mine, changed = system.entry("p1", "uaaaa1"), system.entry("p1", "uaaaa1", **{system.text_attribute: "Żak"})
    apply(system, Change.create(mine))
    system.meddle("uaaaa1")

    assert held(system) == [mine]
    assert apply(system, Change.update(mine, changed)) == [None]
    assert system.is_meddled("uaaaa1")


def test_one_bad_change_does_not_hold_up_the_others(system: System) -> None:
    system.take_name("uaaaa2")
    changes = [Change.create(system.entry(f"p{number}", f"uaaaa{number}")) for number in range(5)]

    assert [error is None for error in apply(system, *changes)] == [True, True, False, True, True]


def test_a_system_that_is_down_is_unavailable_and_works_again_when_it_is_back(system: System) -> None:
    change = Change.create(system.entry("p1", "uaaaa1"))
    system.stop()
    for attempt in (
        system.target.ping,
        lambda: system.target.apply_one(change),
        lambda: system.target.read_one("p1", "uaaaa1"),
        lambda: apply(system, change),
        lambda: held(system),
    ):
        with pytest.raises(TargetUnavailable):
            attempt()
    system.start()

    system.target.ping()
    assert apply(system, change) == [None]
    assert held(system) == [change.after]


def test_a_restart_in_the_middle_leaves_only_whole_changes(system: System) -> None:
    changes = [Change.create(system.entry(f"p{number:03}", f"uaaaa{number:03}")) for number in range(300)]

    def restart_half_way() -> Iterator[Change]:
        for number, change in enumerate(changes):
            if number == 150:
                system.stop()
                system.start()
            yield change

    done: list[Change] = []

    def carry_out() -> None:
        for outcome in system.target.apply(restart_half_way()):
            assert outcome.error is None
            done.append(outcome.change)

    with pytest.raises(TargetUnavailable):
        carry_out()
    there = held(system)

    assert {change.person_id for change in done} <= {entry.person_id for entry in there}
    assert all(change.after in there for change in done)
    assert apply(system, *changes) == [None] * 300
    assert held(system) == [change.after for change in changes]


HOSTILE = ['a,b+c="d"\\e<f>;#', "*)(uid=*", "#x", " x ", "\\2a", "𝔛😀", "x" * 10_000, "\x01\x7f", "[red]x[/]"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_come_back_as_they_were_written(system: System, value: str) -> None:
    mine = system.entry("p1", "uaaaa1", **{system.text_attribute: value})

    assert apply(system, Change.create(mine)) == [None]
    assert held(system) == [mine]
