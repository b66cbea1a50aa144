"""What every target must do, run over every file in idp/provisioning/targets against the real system.

A new target needs one fixture, `<kind>_system`, that starts its system and returns a `System`; nothing else is edited.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from deploy.keycloak.private import PrivateKeycloak
from deploy.openldap.private import PrivateSlapd
from idp.app.settings import target_modules
from idp.drivers.ldap_values import Add, AddValues, Delete, Modify, Replace
from idp.errors import IdpError, TargetRejected, TargetUnavailable
from idp.provisioning.target import ReadsChanges, Target, digests_in
from idp.provisioning.values import Change, Entry, Kind
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


# One worker has the Keycloak; the other systems are started by each worker that meets them.
KINDS = [
    pytest.param(kind, marks=pytest.mark.xdist_group("keycloak") if kind == "keycloak" else ())
    for kind in sorted(target_modules())
]


@pytest.fixture(params=KINDS)
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


def test_what_others_added_to_our_entry_stays(system: System) -> None:
    mine, changed = system.entry("p1", "uaaaa1"), system.entry("p1", "uaaaa1", **{system.text_attribute: "Żak"})
    apply(system, Change.create(mine))
    system.meddle("uaaaa1")

    assert held(system) == [mine]
    assert apply(system, Change.update(mine, changed)) == [None]
    assert system.is_meddled("uaaaa1")


def test_what_others_changed_is_seen_and_put_right(system: System) -> None:
    people = [system.entry(f"p{number}", f"uaaaa{number}") for number in range(3)]
    apply(system, *(Change.create(each) for each in people))
    system.overwrite("uaaaa1", "Somebody Else")

    (found,) = [entry for entry in held(system) if entry not in people]
    assert found.attributes[system.text_attribute] == ("Somebody Else",)
    assert apply(system, Change.update(found, people[1])) == [None]
    assert held(system) == people


def test_what_changed_since_is_found_deletions_too(system: System) -> None:
    people = [system.entry(f"p{number}", f"uaaaa{number}") for number in range(3)]
    apply(system, *(Change.create(each) for each in people))
    changes_since_now = remember(system.target)
    system.overwrite("uaaaa1", "Somebody Else")
    system.delete("uaaaa2")

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

    def restart_half_way() -> Iterator[Change]:
        for number, change in enumerate(changes):
            if number == system.many // 2:
                system.stop()
                assert_unavailable(system)
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


def assert_unavailable(system: System) -> None:
    """A system that is down is unavailable, whatever it is asked."""
    change = Change.create(system.entry("p", "uaaaa"))
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
def test_hostile_values_come_back_as_they_were_written(system: System, value: str) -> None:
    mine = system.entry("p1", "uaaaa1", **{system.text_attribute: value})

    assert apply(system, Change.create(mine)) == [None]
    assert held(system) == [mine]
