"""What others do to a real directory behind our back."""

import json
from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.audit import event_types
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.drivers.ldap_values import AddValues, Replace
from idp.errors import NotFound, TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.provisioning.drift import DriftReport, drop_overrides, find_drift
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_due
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.state_queries import cursor_of, keep_cursor
from idp.provisioning.targets.ldap import Settings
from idp.provisioning.undo import make_undo
from idp.provisioning.values import Change, Kind
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.provisioning import (
    ZONE,
    Eyes,
    add_students,
    change_person,
    change_status,
    make_provisioner,
    make_target,
    waiting,
)
from tests.support.students import Student

ANNA = Student("a" * 32, album="00123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 32, album="123456", given_name="Jan", surname="Beek", surname_prefix="van")
ACTOR = shell("tester")
POLICIES = {"displayName": "adopt", "givenName": "report"}


@pytest.fixture
def written(databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys) -> Iterator[Provisioner]:
    """Two people in the directory, and a first look taken; displayName is adopted, givenName reported."""
    made = make_provisioner(databases, directory, clock)
    provisioner = Provisioner(
        databases, {"ldap": make_target(directory, drift=POLICIES)}, made.people, made.settings, ZONE, clock
    )
    add_students(databases, keys, [ANNA, JAN])
    run_now(provisioner)
    first = find_drift(provisioner, "ldap")
    assert (first.is_whole, first.entries_read, first.people) == (True, 2, set())
    yield provisioner
    provisioner.close()
    made.close()


def run_now(provisioner: Provisioner) -> None:
    assert apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR).is_complete


def what(found: DriftReport) -> list[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    return [(one.attribute, one.ours, one.found, one.policy) for one in found.differences]


def events(databases: Databases, kind: str) -> list[tuple[str, dict[str, object]]]:
    with databases.identity.read() as connection:
        rows = connection.execute(select(event_pending).where(event_pending.c.kind == kind)).all()
    return [(row.subject, json.loads(row.data)) for row in rows]


def test_a_look_without_changes_reads_nobody(written: Provisioner) -> None:
    found = find_drift(written, "ldap")

    assert (found.is_whole, found.entries_read, found.people) == (False, 0, set())


def test_our_own_writes_are_no_drift(written: Provisioner, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [Student("c" * 32, album="5")])
    change_person(databases, ANNA.person_id, surname="Nowak")
    run_now(written)

    found = find_drift(written, "ldap")

    assert (found.is_whole, found.entries_read, found.people) == (False, 2, set())
    assert waiting(databases) == 0


def test_a_value_of_somebody_else_is_repaired_by_a_guarded_run(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Meddled"])])

    found = find_drift(written, "ldap")

    assert (found.is_whole, what(found)) == (False, [("sn", ("Kowalska",), ("Meddled",), "repair")])
    assert events(databases, event_types.DRIFT_FOUND) == [(ANNA.person_id, {"target": "ldap", "repair": ["sn"]})]
    assert "Meddled" not in str(events(databases, event_types.DRIFT_FOUND))
    assert reconcile_due(written) == 1
    assert eyes.value(ANNA.uid, "sn") == "Kowalska"
    assert find_drift(written, "ldap").people == set()


def test_attributes_and_entries_of_others_are_not_looked_at(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    ours, foreign = directory.settings.person_dn(ANNA.uid), f"uid=guest,{directory.settings.people_dn}"
    eyes.directory.modify(
        ours, [AddValues("objectClass", ["labeledURIObject"]), Replace("telephoneNumber", ["+48 77 000 00 00"])]
    )
    eyes.directory.add(foreign, {"objectClass": ["inetOrgPerson"], "cn": ["Guest"], "sn": ["Guest"]})
    eyes.directory.modify(foreign, [Replace("sn", ["Changed"])])

    found = find_drift(written, "ldap")

    assert (found.people, found.orphans, waiting(databases)) == (set(), [], 0)
    assert eyes.value(ANNA.uid, "telephoneNumber") == "+48 77 000 00 00"


def test_an_adopted_value_stays_until_the_records_say_something_else(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("displayName", ["Ania K."])])

    found = find_drift(written, "ldap")
    reconcile_due(written)

    assert what(found) == [("displayName", ("Anna Kowalska",), ("Ania K.",), "adopt")]
    assert make_plan(written, ACTOR).changes == 0
    change_person(databases, ANNA.person_id, middle_name="Maria")
    run_now(written)
    assert eyes.value(ANNA.uid, "displayName") == "Ania K."
    change_person(databases, ANNA.person_id, surname="Nowak")
    run_now(written)
    assert eyes.value(ANNA.uid, "displayName") == "Anna Nowak"


def test_of_several_values_each_goes_its_own_way(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    dn = directory.settings.person_dn(ANNA.uid)
    meddled = [Replace("displayName", ["Ania"]), Replace("givenName", ["Ania"]), Replace("sn", ["X"])]
    eyes.directory.modify(dn, meddled)

    found = find_drift(written, "ldap")
    reconcile_due(written)

    assert {(one.attribute, one.policy) for one in found.differences} == {
        ("displayName", "adopt"),
        ("givenName", "report"),
        ("sn", "repair"),
    }
    assert [eyes.value(ANNA.uid, name) for name in ("displayName", "givenName", "sn")] == ["Ania", "Ania", "Kowalska"]
    assert (find_drift(written, "ldap").people, make_plan(written, ACTOR).changes) == (set(), 0)


def test_what_was_left_is_repaired_when_somebody_says_so(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    dn = directory.settings.person_dn(ANNA.uid)
    eyes.directory.modify(dn, [Replace("displayName", ["Ania"]), Replace("givenName", ["Ania"])])
    find_drift(written, "ldap")

    assert [one.attribute for one in drop_overrides(written, ANNA.person_id, ["givenname"], ACTOR)] == ["givenName"]
    reconcile_due(written)
    assert [eyes.value(ANNA.uid, name) for name in ("displayName", "givenName")] == ["Ania", "Anna"]
    assert [one.attribute for one in drop_overrides(written, ANNA.person_id, [], ACTOR)] == ["displayName"]
    with pytest.raises(NotFound):
        drop_overrides(written, ANNA.person_id, [], ACTOR)


def test_an_entry_that_somebody_removed_is_made_again_and_said_loudly(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    eyes.directory.delete(directory.settings.person_dn(JAN.uid))

    found = find_drift(written, "ldap")

    assert (found.is_whole, found.lost) == (False, [JAN.person_id])
    assert [subject for subject, _ in events(databases, event_types.DRIFT_ENTRY_LOST)] == [JAN.person_id]
    assert reconcile_due(written) == 1
    assert eyes.value(JAN.uid, "sn") == "van Beek"
    assert eyes.value(JAN.uid, "userPassword") is None
    assert find_drift(written, "ldap").people == set()


def test_an_entry_removed_before_we_ever_saw_its_key_is_noticed(
    written: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    late = Student("c" * 32, album="5")
    add_students(databases, keys, [late])
    run_now(written)
    eyes.directory.delete(directory.settings.person_dn(late.uid))

    assert find_drift(written, "ldap").lost == [late.person_id]


def test_an_entry_without_our_mark_any_more_is_lost_and_left_alone(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    eyes.directory.modify(directory.settings.person_dn(JAN.uid), [Replace("idpOwner", []), Replace("sn", ["Theirs"])])

    assert find_drift(written, "ldap").lost == [JAN.person_id]
    reconcile_due(written)

    assert eyes.value(JAN.uid, "sn") == "Theirs"


def test_a_renamed_entry_is_drift_and_is_named_back(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    eyes.directory.rename(directory.settings.person_dn(JAN.uid), "uid=umeddled2")

    found = find_drift(written, "ldap")
    reconcile_due(written)

    assert what(found) == [("(name)", (JAN.uid,), ("umeddled2",), "repair")]
    assert eyes.value(JAN.uid, "sn") == "van Beek"


@pytest.mark.parametrize("cursor", ["", "nonsense", "rid=000,csn=20990101000000.000000Z#000000#000#000000"])
def test_a_cursor_that_is_of_no_use_leads_to_a_whole_look(
    written: Provisioner, databases: Databases, clock: ManualClock, eyes: Eyes, directory: PrivateSlapd, cursor: str
) -> None:
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Meddled"])])
    eyes.directory.delete(directory.settings.person_dn(JAN.uid))
    with databases.identity.write() as connection:
        keep_cursor(connection, "ldap", cursor, clock.now())

    found = find_drift(written, "ldap")

    assert (found.is_whole, found.people) == (True, {ANNA.person_id, JAN.person_id})
    assert (find_drift(written, "ldap").is_whole, find_drift(written, "ldap").people) == (False, set())


def test_changes_across_a_restart_of_the_directory_are_seen(
    written: Provisioner, eyes: Eyes, directory: PrivateSlapd
) -> None:
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Meddled"])])
    eyes.directory.delete(directory.settings.person_dn(JAN.uid))
    directory.restart()

    found = find_drift(written, "ldap")

    assert (found.is_whole, found.people) == (True, {ANNA.person_id, JAN.person_id})


def test_an_unlocked_student_is_locked_again(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    change_status(databases, JAN.person_id, "suspended")
    run_now(written)
    find_drift(written, "ldap")
    dn = directory.settings.person_dn(JAN.uid)
    eyes.directory.modify(dn, [Replace("idpStatus", ["active"]), Replace("pwdAccountLockedTime", [])])

    found = find_drift(written, "ldap")
    reconcile_due(written)

    assert {one.attribute for one in found.differences} == {"(enabled)", "idpStatus"}
    assert eyes.value(JAN.uid, "idpStatus") == "suspended"
    assert eyes.value(JAN.uid, "pwdAccountLockedTime") == "000001010000Z"


def test_a_lock_alone_that_somebody_took_away_is_written_again(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    change_status(databases, JAN.person_id, "suspended")
    run_now(written)
    find_drift(written, "ldap")
    eyes.directory.modify(directory.settings.person_dn(JAN.uid), [Replace("pwdAccountLockedTime", [])])

    found = find_drift(written, "ldap")

    assert (found.relocked, found.people) == (1, set())
    assert events(databases, event_types.DRIFT_FOUND) == [(JAN.person_id, {"target": "ldap", "locked_again": True})]
    assert eyes.value(JAN.uid, "pwdAccountLockedTime") == "000001010000Z"
    assert find_drift(written, "ldap").relocked == 0


@pytest.mark.parametrize("at_once", [True, False])
def test_a_lock_that_comes_late_does_not_fall_on_an_entry_that_was_opened(
    written: Provisioner, databases: Databases, eyes: Eyes, at_once: bool
) -> None:
    target = written.targets["ldap"]
    change_status(databases, JAN.person_id, "suspended")
    run_now(written)
    closed = target.read_one(JAN.person_id, JAN.uid)
    assert closed is not None
    change_status(databases, JAN.person_id, "active")
    run_now(written)

    late = Change(Kind.DISABLE, JAN.person_id, closed, closed, "drift")
    if at_once:
        with pytest.raises(TargetRejected):
            target.apply_one(late)
    else:
        assert [type(outcome.error) for outcome in target.apply([late])] == [TargetRejected]

    assert eyes.value(JAN.uid, "idpStatus") == "active"
    assert eyes.value(JAN.uid, "pwdAccountLockedTime") is None


def test_nothing_is_adopted_while_the_records_change_too(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    change_person(databases, ANNA.person_id, surname="Nowak")
    make_plan(written, ACTOR)
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("displayName", ["Ania"])])

    found = find_drift(written, "ldap")
    reconcile_due(written)

    assert found.differences == []
    assert eyes.value(ANNA.uid, "displayName") == "Anna Nowak"


def test_a_directory_that_is_down_keeps_the_cursor(
    written: Provisioner, databases: Databases, eyes: Eyes, directory: PrivateSlapd
) -> None:
    with databases.identity.read() as connection:
        before = cursor_of(connection, "ldap")
    directory.stop()

    with pytest.raises(TargetUnavailable):
        find_drift(written, "ldap")
    directory.restart()

    with databases.identity.read() as connection:
        assert cursor_of(connection, "ldap") == before
    assert find_drift(written, "ldap").people == set()


def test_a_stray_entry_with_our_mark_is_named(written: Provisioner, eyes: Eyes, directory: PrivateSlapd) -> None:
    classes = ["inetOrgPerson", "idpPerson"]
    orphan = {"objectClass": classes, "cn": ["X"], "sn": ["X"], "idpOwner": ["idp:unknown"]}
    eyes.directory.add(directory.settings.person_dn("ustray222"), orphan)

    assert find_drift(written, "ldap").orphans == ["ustray222"]
    assert find_drift(written, "ldap", whole=True).orphans == ["unknown"]


@pytest.mark.parametrize("attribute", ["idpStatus", "objectClass", "userPassword", "telephoneNumber"])
def test_what_says_who_may_sign_in_is_never_left_to_others(attribute: str) -> None:
    with pytest.raises(ValidationError, match="not an attribute of ours that may be left"):
        Settings.model_validate({"drift": {attribute: "adopt"}})


def test_an_entry_that_our_own_undo_removed_is_not_lost(
    written: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    late = Student("c" * 32, album="5")
    add_students(databases, keys, [late])
    run = make_plan(written, ACTOR)
    apply_run(written, run.run_id, ACTOR)
    find_drift(written, "ldap")
    undo = make_undo(written, run.run_id, ACTOR, remove_created=True)
    assert apply_run(written, undo.run_id, ACTOR).is_complete
    assert eyes.entry(late.uid) is None

    for whole in (False, True):
        found = find_drift(written, "ldap", whole=whole)
        assert (found.lost, found.still_differing) == ([], [])

    assert make_plan(written, ACTOR).changes == 0
    assert events(databases, event_types.DRIFT_ENTRY_LOST) == []


def test_a_whole_look_names_entries_that_still_differ_since_an_earlier_one(
    written: Provisioner, eyes: Eyes, directory: PrivateSlapd
) -> None:
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Meddled"])])
    assert find_drift(written, "ldap", whole=True).people == {ANNA.person_id}

    again = find_drift(written, "ldap", whole=True)

    assert (again.people, again.still_differing) == (set(), [ANNA.person_id])
    run_now(written)
    assert find_drift(written, "ldap", whole=True).still_differing == []
