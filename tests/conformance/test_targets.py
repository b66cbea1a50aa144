"""What every target must do, run over every file in idp/provisioning/targets against the real system.

A new target needs one fixture, `<kind>_system`, that starts its system and returns a `System`; nothing else is edited.
Accounts have neither attributes nor other names, so the tests of those leave them out. The targets of
tests/support/faulty_target.py stand in for real ones in other tests, so they pass the suite too.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from deploy.keycloak.private import PrivateKeycloak
from deploy.openldap.private import PrivateSlapd
from idp.app.settings import target_modules
from idp.db.databases import Databases
from idp.drivers.ldap_values import Add, AddValues, Delete, Modify, Replace
from idp.errors import IdpError, TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.people.catalogue import BY_KEY
from idp.provisioning.target import ReadsChanges, Stage, Target, digests_in
from idp.provisioning.targets.accounts import KIND as ACCOUNTS
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Change, Entry, Kind
from tests.support.accounts import StoredAccounts
from tests.support.faulty_target import FaultyTarget, LostResponseTarget
from tests.support.keycloak import Hands, keycloak_entry, make_keycloak_target
from tests.support.provisioning import Eyes, ldap_entry, make_target


@dataclass(frozen=True)
class System:
    """One target over its running system, and what a test does to the system behind the target's back."""

    target: Target
    entry: Callable[..., Entry]  # (person_id, name, **changed attributes) -> an entry that the system accepts
    text_attribute: str  # takes any text
    many: int  # changes that are more than fit in flight, and still few enough for a test
    stop: Callable[[], None]
    start: Callable[[], None]
    take_name: Callable[[str], None]  # an entry that is not ours gets this name
    is_untouched: Callable[[str], bool]  # … and still is as it was made
    meddle: Callable[[str], None]  # somebody adds to our entry of this name what we do not manage
    is_meddled: Callable[[str], bool]
    overwrite: Callable[[str, str], None]  # somebody gives our entry of this name another `text_attribute`
    delete: Callable[[str], None]  # somebody removes our entry of this name


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
        many=200,
        stop=slapd.stop,
        start=slapd.restart,
        take_name=take,
        is_untouched=lambda name: eyes.value(name, "cn") == "Guest",
        meddle=meddle,
        is_meddled=lambda name: eyes.value(name, "telephoneNumber") == "+48 1",
        overwrite=lambda name, text: eyes.directory.write(
            Modify(slapd.settings.person_dn(name), [Replace("sn", [text])])
        ),
        delete=lambda name: eyes.directory.write(Delete(slapd.settings.person_dn(name))),
    )
    target.close()
    eyes.directory.close()
    slapd.start()


@pytest.fixture
def keycloak_system(keycloak: PrivateKeycloak) -> Iterator[System]:
    keycloak.reset()
    target, hands = make_keycloak_target(keycloak), Hands(keycloak)
    yield System(
        target=target,
        entry=keycloak_entry,
        text_attribute="displayName",
        many=30,
        stop=keycloak.stop,
        start=keycloak.restart,
        take_name=hands.take,
        is_untouched=lambda name: hands.user(name).get("firstName") == "Guest",
        meddle=hands.meddle,
        is_meddled=hands.is_meddled,
        overwrite=lambda name, text: hands.change(name, {"displayName": [text]}),
        delete=hands.delete,
    )
    target.close()
    keycloak.start()


@pytest.fixture
def accounts_system(databases: Databases, keys: Keys) -> System:
    accounts = StoredAccounts(databases, keys)
    return System(
        target=AccountsTarget(databases.identity),
        entry=accounts.entry,
        text_attribute="",
        many=60,
        stop=accounts.stop,
        start=accounts.start,
        take_name=accounts.take,
        is_untouched=accounts.is_untouched,
        meddle=no_attributes,
        is_meddled=no_attributes,
        overwrite=no_attributes,
        delete=no_attributes,
    )


def no_attributes(*_: object) -> Any:
    raise NotImplementedError("accounts have no attributes")


@pytest.fixture
def faulty_system() -> System:
    return in_memory(FaultyTarget())


@pytest.fixture
def lost_response_system() -> System:
    return in_memory(LostResponseTarget())


def in_memory(target: FaultyTarget) -> System:
    """Return a target that keeps its entries in memory."""

    def overwrite(name: str, text: str) -> None:
        entry = target.entries[target.person_of(name)]
        target.entries[entry.person_id] = replace(entry, attributes={**entry.attributes, "sn": (text,)})

    def delete(name: str) -> None:
        del target.entries[target.person_of(name)]

    def switch(*, is_away: bool) -> None:
        target.is_away = is_away

    return System(
        target=target,
        entry=ldap_entry,
        text_attribute="sn",
        many=200,
        stop=partial(switch, is_away=True),
        start=partial(switch, is_away=False),
        take_name=target.taken.add,
        is_untouched=lambda name: name in target.taken,
        meddle=lambda name: target.notes.update({target.person_of(name): "x"}),
        is_meddled=lambda name: target.person_of(name) in target.notes,
        overwrite=overwrite,
        delete=delete,
    )


# One worker has the Keycloak; the other systems are started by each worker that meets them.
IN_MEMORY = ("faulty", "lost_response")
WITH_ATTRIBUTES = [
    pytest.param(kind, marks=pytest.mark.xdist_group("keycloak") if kind == "keycloak" else ())
    for kind in (*sorted(target_modules()), *IN_MEMORY)
]


@pytest.fixture(params=[*WITH_ATTRIBUTES, ACCOUNTS])
def system(request: pytest.FixtureRequest) -> System:
    """Every target."""
    found: System = request.getfixturevalue(f"{request.param}_system")
    return found


@pytest.fixture(params=WITH_ATTRIBUTES)
def described(request: pytest.FixtureRequest) -> System:
    """Every target that manages attributes."""
    found: System = request.getfixturevalue(f"{request.param}_system")
    return found


def apply(system: System, *changes: Change) -> list[IdpError | None]:
    return [outcome.error for outcome in system.target.apply(changes)]


def held(system: System) -> list[Entry]:
    return sorted(system.target.read(), key=lambda entry: entry.person_id)


def test_it_says_what_it_is_for_and_what_its_entries_are_called(system: System) -> None:
    assert isinstance(system.target.stage, Stage)
    assert system.target.entry_name in BY_KEY
    assert {key for key in system.target.attributes.values() if isinstance(key, str)} <= BY_KEY.keys()


def test_a_file_is_named_after_its_kind() -> None:
    for kind, module in target_modules().items():
        assert module.__name__ == f"idp.provisioning.targets.{kind}"


def test_what_is_made_is_read_back_as_it_was_desired(system: System) -> None:
    people = [system.entry(f"p{number}", f"uaaaa{number}") for number in range(5)]

    assert apply(system, *(Change.create(each) for each in people)) == [None] * 5
    assert held(system) == people
    assert list(system.target.read(["p3", "p9"])) == [people[3]]
    assert list(system.target.read([])) == []
    assert system.target.read_one("p1", "uaaaa1") == people[1]
    assert system.target.read_one("p9", "uaaaa9") is None


@pytest.mark.parametrize("at_once", [False, True])
def test_each_kind_of_change_is_made_and_a_repeat_is_harmless(described: System, at_once: bool) -> None:
    text = described.text_attribute
    made = described.entry("p1", "uaaaa1")
    updated = described.entry("p1", "uaaaa1", **{text: "Żak"})
    renamed = described.entry("p1", "ubbbb1", **{text: "Żak"})
    disabled = described.entry("p1", "ubbbb1", **{text: "Żak", "idpStatus": "suspended"})
    walk = [None, made, updated, renamed, disabled, renamed, made]

    for before, after in itertools.pairwise(walk):
        assert after is not None
        change = Change.create(after) if before is None else Change.update(before, after)
        for _ in range(2):
            if at_once:
                described.target.apply_one(change)
            else:
                assert apply(described, change) == [None]
            assert held(described) == [after]
    removal = Change.remove(made, "asked for by a test")
    for _ in range(2):
        assert apply(described, removal) == [None]
    assert held(described) == []


@pytest.mark.parametrize("at_once", [False, True])
def test_access_is_switched_and_a_repeat_is_harmless(system: System, at_once: bool) -> None:
    enabled, disabled = system.entry("p1", "uaaaa1"), system.entry("p1", "uaaaa1", idpStatus="suspended")
    apply(system, Change.create(enabled))

    for before, after in ((enabled, disabled), (disabled, enabled)):
        change = Change.update(before, after)
        for _ in range(2):
            assert [system.target.apply_one(change).error] if at_once else apply(system, change) == [None]
            assert held(system) == [after]


def test_kinds_are_named_as_they_are(system: System) -> None:
    one, other = system.entry("p1", "uaaaa1"), system.entry("p1", "uaaaa1", idpStatus="suspended")

    assert (one.enabled, other.enabled) == (True, False)
    assert Change.update(one, other).kind is Kind.DISABLE


def test_many_changes_are_answered_in_order(system: System) -> None:
    changes = [Change.create(system.entry(f"p{number:03}", f"uaaaa{number:03}")) for number in range(system.many)]

    outcomes = list(system.target.apply(iter(changes)))

    assert [outcome.change for outcome in outcomes] == changes
    assert not any(outcome.error for outcome in outcomes)
    assert len(held(system)) == system.many


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


def test_what_others_added_to_our_entry_stays(described: System) -> None:
    mine, changed = (
        described.entry("p1", "uaaaa1"),
        described.entry("p1", "uaaaa1", **{described.text_attribute: "Żak"}),
    )
    apply(described, Change.create(mine))
    described.meddle("uaaaa1")

    assert held(described) == [mine]
    assert apply(described, Change.update(mine, changed)) == [None]
    assert described.is_meddled("uaaaa1")


def test_what_others_changed_is_seen_and_put_right(described: System) -> None:
    people = [described.entry(f"p{number}", f"uaaaa{number}") for number in range(3)]
    apply(described, *(Change.create(each) for each in people))
    described.overwrite("uaaaa1", "Somebody Else")

    (found,) = [entry for entry in held(described) if entry not in people]
    assert found.attributes[described.text_attribute] == ("Somebody Else",)
    assert apply(described, Change.update(found, people[1])) == [None]
    assert held(described) == people


def test_what_changed_since_is_found_deletions_too(described: System) -> None:
    people = [described.entry(f"p{number}", f"uaaaa{number}") for number in range(3)]
    apply(described, *(Change.create(each) for each in people))
    changes_since_now = remember(described.target)
    described.overwrite("uaaaa1", "Somebody Else")
    described.delete("uaaaa2")

    assert changes_since_now() == ({"p1"}, {"p2"})


def remember(target: Target) -> Callable[[], tuple[set[str], set[str]]]:
    """Return what tells the people changed and gone since now: by the target's own account, or by reading it whole."""
    if isinstance(target, ReadsChanges):
        people = {remote_id: person_id for person_id, remote_id in target.remote_ids()}
        cursor = target.cursor_now()

        def told() -> tuple[set[str], set[str]]:
            changes = target.changes_since(cursor)
            assert changes is not None
            changed = {observed.entry.person_id for observed in changes.changed if observed.by_others}
            return changed, {people[remote_id] for remote_id in changes.gone}

        return told
    before = dict(digests_in(target))

    def compared() -> tuple[set[str], set[str]]:
        now = dict(digests_in(target))
        return {person_id for person_id in now if now[person_id] != before.get(person_id)}, before.keys() - now.keys()

    return compared


def test_one_bad_change_does_not_hold_up_the_others(system: System) -> None:
    system.take_name("uaaaa2")
    changes = [Change.create(system.entry(f"p{number}", f"uaaaa{number}")) for number in range(5)]

    assert [error is None for error in apply(system, *changes)] == [True, True, False, True, True]


def test_a_restart_in_the_middle_leaves_only_whole_changes(system: System) -> None:
    changes = [Change.create(system.entry(f"p{number:03}", f"uaaaa{number:03}")) for number in range(system.many)]

    probe = Change.create(system.entry("p", "uaaaa"))

    def restart_half_way() -> Iterator[Change]:
        for number, change in enumerate(changes):
            if number == system.many // 2:
                system.stop()
                assert_unavailable(system, probe)
                system.start()
                system.target.ping()
            yield change

    done: list[Change] = []

    def carry_out() -> None:
        for outcome in system.target.apply(restart_half_way()):
            assert outcome.error is None
            done.append(outcome.change)

    # A target that has nothing in flight just then may well not notice.
    with suppress(TargetUnavailable):
        carry_out()
    there = held(system)

    assert {change.person_id for change in done} <= {entry.person_id for entry in there}
    assert all(change.after in there for change in done)
    assert apply(system, *changes) == [None] * system.many
    assert held(system) == [change.after for change in changes]


def assert_unavailable(system: System, change: Change) -> None:
    """A system that is down is unavailable, whatever it is asked."""
    for attempt in (
        system.target.ping,
        lambda: system.target.apply_one(change),
        lambda: system.target.read_one("p", "uaaaa"),
        lambda: apply(system, change),
        lambda: held(system),
    ):
        with pytest.raises(TargetUnavailable):
            attempt()


HOSTILE = ['a,b+c="d"\\e<f>;#', "*)(uid=*", "#x", " x ", "\\2a", "𝔛😀", "x" * 10_000, "\x01\x7f", "[red]x[/]"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_come_back_as_they_were_written(described: System, value: str) -> None:
    mine = described.entry("p1", "uaaaa1", **{described.text_attribute: value})

    assert apply(described, Change.create(mine)) == [None]
    assert held(described) == [mine]
