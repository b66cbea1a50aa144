"""Plans and runs over a real directory."""

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from deploy.openldap.private import PrivateSlapd
from idp.audit import event_types
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.drivers.ldap_values import AddValues, Replace
from idp.errors import StaleVersion, TargetUnavailable, UnsafePlan
from idp.keys.key_files import Keys
from idp.people.tables import person
from idp.provisioning import run_queries
from idp.provisioning.executor import Result, apply_run
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Run, RunState
from idp.provisioning.settings import LimitSettings
from idp.provisioning.state_queries import mark_in_doubt, states_among
from idp.provisioning.target import digests_in
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.counts import Counts
from tests.support.provisioning import (
    Eyes,
    add_students,
    change_person,
    change_status,
    choose_mail_name,
    make_provisioner,
    mark,
    waiting,
)
from tests.support.students import Student

ANNA = Student("a" * 32, album="00123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 32, album="200", given_name="Jan", surname="Beek", surname_prefix="van")
SUHARTO = Student("c" * 32, album="300", given_name="", surname="Suharto")
ACTOR = shell("test")
PROJECT = Path(__file__).parents[2]


class Killed(BaseException):
    """Ends a run where it stands, as a signal does."""


def die_after(count: int) -> Callable[[int], None]:
    """Return a progress function that ends the run after so many changes."""
    seen = itertools.count(1)

    def progress(_: int) -> None:
        if next(seen) >= count:
            raise Killed

    return progress


def run_once(provisioner: Provisioner) -> Result:
    return apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)


def kinds(provisioner: Provisioner, run: Run) -> list[str]:
    with provisioner.databases.identity.read() as connection:
        return [row.kind for row in run_queries.changes_of(connection, run.run_id)]


def findings(provisioner: Provisioner, run: Run) -> list[str]:
    with provisioner.databases.identity.read() as connection:
        return [row.what for row in run_queries.findings_of(connection, run.run_id)]


def test_a_first_run_writes_everybody_as_the_records_ask(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN, SUHARTO])

    result = run_once(provisioner)

    assert (result.done, result.is_complete, result.run.state) == (3, True, RunState.APPLIED)
    entry = eyes.entry(ANNA.uid, ["*"])
    assert entry is not None
    assert {name: entry.values(name) for name in entry.attributes if name != "objectclass"} == {
        "uid": (ANNA.uid,),
        "cn": ("Anna Kowalska",),
        "sn": ("Kowalska",),
        "givenname": ("Anna",),
        "displayname": ("Anna Kowalska",),
        "edupersonaffiliation": ("member", "student"),
        "edupersonprimaryaffiliation": ("student",),
        "edupersonscopedaffiliation": ("member@po.edu.pl", "student@po.edu.pl"),
        "edupersonprincipalname": (f"{ANNA.uid}@po.edu.pl",),
        "edupersonuniqueid": (f"{ANNA.person_id}@po.edu.pl",),
        "schachomeorganization": ("po.edu.pl",),
        "schacpersonaluniquecode": ("urn:schac:personalUniqueCode:int:esi:po.edu.pl:00123",),
        "idpalbum": ("00123",),
        "idpstatus": ("active",),
        "idpowner": (f"idp:{ANNA.person_id}",),
    }
    assert eyes.value(JAN.uid, "sn") == "van Beek"
    assert (eyes.value(SUHARTO.uid, "sn"), eyes.value(SUHARTO.uid, "givenName")) == ("Suharto", None)
    assert waiting(databases) == 0


def test_a_second_run_plans_nothing(provisioner: Provisioner, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [ANNA, JAN, SUHARTO])
    choose_mail_name(databases, ANNA.person_id, "anna.kowalska@student.po.edu.pl", "s00123@student.po.edu.pl")
    run_once(provisioner)

    again = make_plan(provisioner, ACTOR)

    assert (again.changes, again.summary["ldap"].population) == (0, 3)
    assert apply_run(provisioner, again.run_id, ACTOR).is_complete


def test_a_plan_of_what_changed_asks_the_directory_about_nobody_else(
    provisioner: Provisioner, databases: Databases, keys: Keys, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_once(provisioner)
    mark(databases, [JAN.person_id])  # nothing about him is otherwise

    directory.stop()

    plan = make_plan(provisioner, ACTOR)
    assert (plan.changes, plan.summary["ldap"].population, waiting(databases)) == (0, 2, 0)
    with pytest.raises(TargetUnavailable):
        make_plan(provisioner, ACTOR, scope=Scope.ALL)


def test_other_rules_have_everybody_looked_at(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_once(provisioner)
    people = provisioner.people.model_copy(update={"home_organization": "example.edu"})

    other = replace(provisioner, people=people)

    assert apply_run(other, make_plan(other, ACTOR).run_id, ACTOR).done == 2
    assert eyes.value(JAN.uid, "schacHomeOrganization") == "example.edu"
    assert make_plan(other, ACTOR).changes == 0


def test_whom_time_alone_changed_is_in_the_next_plan(
    provisioner: Provisioner, databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    change_status(databases, ANNA.person_id, "cancelled", since=provisioner.today())
    with databases.identity.write() as connection:
        connection.execute(update(person).values(review_on=provisioner.today() + timedelta(days=14)))
    run_once(provisioner)
    assert make_plan(provisioner, ACTOR).changes == 0

    clock.advance(timedelta(days=14).total_seconds())

    assert kinds(provisioner, make_plan(provisioner, ACTOR)) == ["disable"]


def test_an_entry_in_doubt_is_looked_at_even_when_it_is_only_kept_where_it_is(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_once(provisioner)
    for student in (ANNA, JAN):
        change_status(databases, student.person_id, "graduated_diploma", since=date(2020, 7, 1))
    run_once(provisioner)
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Meddled"])])
    eyes.directory.delete(directory.settings.person_dn(JAN.uid))
    with databases.identity.write() as connection:
        mark_in_doubt(connection, "ldap", [ANNA.person_id, JAN.person_id], provisioner.clock.now())

    assert kinds(provisioner, make_plan(provisioner, ACTOR)) == ["update"]
    with databases.identity.read() as connection:
        assert states_among(connection, "ldap", [JAN.person_id])[JAN.person_id].applied is None


def test_digests_are_those_of_the_entries_whatever_others_did_to_them(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA, JAN, SUHARTO])
    run_once(provisioner)
    dn = directory.settings.person_dn
    eyes.directory.modify(dn(JAN.uid), [AddValues("objectClass", ["pkiUser"])])
    eyes.directory.modify(dn(SUHARTO.uid), [Replace("sn", ["Meddled"])])

    target = provisioner.targets["ldap"]
    digests = dict(digests_in(target))

    assert digests == {entry.person_id: entry.digest for entry in target.read()}
    with databases.identity.read() as connection:
        states = states_among(connection, "ldap", list(digests))
    assert [one for one, state in states.items() if digests[one] != state.desired] == [SUHARTO.person_id]


def test_a_changed_surname_is_carried_through(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_once(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak", previous_surname="Kowalska")

    plan = make_plan(provisioner, ACTOR)

    assert kinds(provisioner, plan) == ["update"]
    assert apply_run(provisioner, plan.run_id, ACTOR).is_complete
    entry = eyes.entry(ANNA.uid)
    assert entry is not None
    assert [entry.values(name) for name in ("cn", "sn", "displayName", "idpAlbum")] == [
        ("Anna Nowak",),
        ("Nowak",),
        ("Anna Nowak",),
        ("00123",),
    ]


def test_a_suspended_student_is_locked_and_a_returned_one_is_opened(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_once(provisioner)

    change_status(databases, ANNA.person_id, "suspended")
    suspension = make_plan(provisioner, ACTOR)
    apply_run(provisioner, suspension.run_id, ACTOR)

    assert kinds(provisioner, suspension) == ["disable"]
    assert eyes.value(ANNA.uid, "idpStatus") == "suspended"
    assert eyes.value(ANNA.uid, "pwdAccountLockedTime") == "000001010000Z"
    assert eyes.value(ANNA.uid, "schacPersonalUniqueCode") is None

    change_status(databases, ANNA.person_id, "active")
    comeback = make_plan(provisioner, ACTOR)
    apply_run(provisioner, comeback.run_id, ACTOR)

    assert kinds(provisioner, comeback) == ["enable"]
    assert eyes.value(ANNA.uid, "idpStatus") == "active"
    assert eyes.value(ANNA.uid, "pwdAccountLockedTime") is None


def test_whoever_left_before_we_ever_wrote_them_gets_no_entry(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    long_ago = Student("d" * 32, album="1", status="graduated_diploma", level="2", status_from=date(2001, 6, 1))
    add_students(databases, keys, [long_ago])

    assert run_once(provisioner).done == 0
    assert eyes.entry(long_ago.uid) is None


def test_a_closed_person_who_has_an_entry_keeps_it_closed(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run_once(provisioner)
    change_status(databases, ANNA.person_id, "graduated_diploma", date(2001, 6, 1))

    assert run_once(provisioner).done == 1
    assert eyes.value(ANNA.uid, "idpStatus") == "closed"
    assert make_plan(provisioner, ACTOR).changes == 0


def test_entries_of_others_and_attributes_of_others_are_left_alone(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA])
    run_once(provisioner)
    foreign = f"uid=guest,{directory.settings.people_dn}"
    eyes.directory.add(foreign, {"objectClass": ["inetOrgPerson"], "cn": ["Guest"], "sn": ["Guest"]})
    ours = directory.settings.person_dn(ANNA.uid)
    eyes.directory.modify(
        ours, [AddValues("objectClass", ["labeledURIObject"]), Replace("labeledURI", ["https://example.org"])]
    )
    eyes.directory.modify(ours, [Replace("telephoneNumber", ["+48 77 000 00 00"])])
    change_person(databases, ANNA.person_id, surname="Nowak")

    result = run_once(provisioner)

    assert result.done == 1
    assert eyes.value(ANNA.uid, "telephoneNumber") == "+48 77 000 00 00"
    assert eyes.value(ANNA.uid, "labeledURI") == "https://example.org"
    assert eyes.value(ANNA.uid, "sn") == "Nowak"
    assert eyes.directory.read(foreign, ["cn"]) is not None
    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0


def test_an_entry_of_ours_without_a_person_is_a_finding_and_stays(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    orphan = directory.settings.person_dn("ustray222")
    classes = ["inetOrgPerson", "idpPerson"]
    eyes.directory.add(orphan, {"objectClass": classes, "cn": ["X"], "sn": ["X"], "idpOwner": ["idp:unknown"]})
    add_students(databases, keys, [ANNA])

    plan = make_plan(provisioner, ACTOR, scope=Scope.ALL)
    apply_run(provisioner, plan.run_id, ACTOR)

    assert (kinds(provisioner, plan), len(findings(provisioner, plan))) == (["create"], 1)
    assert eyes.directory.read(orphan, ["cn"]) is not None


def test_two_entries_with_one_mark_are_a_finding_and_neither_is_written(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA])
    run_once(provisioner)
    copy = {"objectClass": ["inetOrgPerson", "idpPerson"], "cn": ["X"], "sn": ["X"]}
    eyes.directory.add(
        directory.settings.person_dn("ucopy2222"), {**copy, "idpOwner": [f"idp:{ANNA.person_id}"], "uid": ["ucopy2222"]}
    )

    plan = make_plan(provisioner, ACTOR, scope=Scope.ALL)

    assert (plan.changes, findings(provisioner, plan)) == (0, ["has two entries with our mark"])


def test_what_somebody_else_changed_or_deleted_is_repaired(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_once(provisioner)
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Meddled"])])
    eyes.directory.delete(directory.settings.person_dn(JAN.uid))

    plan = make_plan(provisioner, ACTOR, scope=Scope.ALL)
    apply_run(provisioner, plan.run_id, ACTOR)

    assert kinds(provisioner, plan) == ["update", "create"]
    assert (eyes.value(ANNA.uid, "sn"), eyes.value(JAN.uid, "sn")) == ("Kowalska", "van Beek")


def test_a_plan_over_the_limits_writes_nothing(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    everybody = [Student(f"{number:032x}", album=str(1000 + number)) for number in range(8)]
    strict = make_provisioner(databases, directory, clock, LimitSettings(disable_share=0.5, disable_floor=0))
    add_students(databases, keys, everybody)
    run_once(strict)
    for student in everybody:
        change_status(databases, student.person_id, "suspended")

    plan = make_plan(strict, ACTOR)

    with pytest.raises(UnsafePlan, match="ldap disable: 8 of 8, limit 4"):
        apply_run(strict, plan.run_id, ACTOR)
    assert [eyes.value(student.uid, "idpStatus") for student in everybody] == ["active"] * 8
    strict.close()


def test_a_plan_is_refused_when_the_records_moved(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    plan = make_plan(provisioner, ACTOR)
    change_person(databases, JAN.person_id, surname="Nowak")

    with pytest.raises(StaleVersion, match=JAN.uid):
        apply_run(provisioner, plan.run_id, ACTOR)
    assert eyes.entry(ANNA.uid) is None


def test_a_plan_is_refused_when_the_target_moved(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA])
    run_once(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    plan = make_plan(provisioner, ACTOR)
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Meddled"])])

    with pytest.raises(StaleVersion):
        apply_run(provisioner, plan.run_id, ACTOR)
    assert eyes.value(ANNA.uid, "sn") == "Meddled"


def test_a_run_that_was_cut_short_goes_on_where_it_stopped(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    people = [Student(f"{number:032x}", album=str(1000 + number)) for number in range(6)]
    provisioner = make_provisioner(databases, directory, clock, batch=2)
    add_students(databases, keys, people)
    plan = make_plan(provisioner, ACTOR)
    with pytest.raises(Killed):
        apply_run(provisioner, plan.run_id, ACTOR, progress=die_after(3))

    result = apply_run(provisioner, plan.run_id, ACTOR)

    assert (result.done, result.is_complete) == (6, True)
    assert all(eyes.entry(student.uid) for student in people)
    assert make_plan(provisioner, ACTOR).changes == 0
    provisioner.close()


def test_a_directory_that_is_down_loses_nothing_and_is_repaired_later(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    plan = make_plan(provisioner, ACTOR)
    directory.stop()

    with pytest.raises(TargetUnavailable):
        apply_run(provisioner, plan.run_id, ACTOR)
    directory.restart()
    result = apply_run(provisioner, plan.run_id, ACTOR)

    assert (result.done, result.is_complete) == (2, True)
    assert eyes.value(JAN.uid, "sn") == "van Beek"


def test_a_name_that_another_entry_holds_is_refused_and_the_others_are_written(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, keys: Keys, eyes: Eyes
) -> None:
    taken = directory.settings.person_dn(ANNA.uid)
    eyes.directory.add(taken, {"objectClass": ["inetOrgPerson"], "cn": ["Guest"], "sn": ["Guest"], "uid": [ANNA.uid]})
    add_students(databases, keys, [ANNA, JAN])

    result = run_once(provisioner)

    assert (result.done, result.rejected, result.is_complete) == (1, 1, False)
    assert eyes.value(ANNA.uid, "cn") == "Guest"
    assert waiting(databases) == 1


def test_an_address_that_two_hold_is_refused_by_the_directory(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    guest = f"uid=guest,{directory.settings.people_dn}"
    classes = ["inetOrgPerson", "inetLocalMailRecipient"]
    address = "anna.kowalska@student.po.edu.pl"
    eyes.directory.add(guest, {"objectClass": classes, "cn": ["G"], "sn": ["G"], "mailLocalAddress": [address]})
    choose_mail_name(databases, ANNA.person_id, address, "s00123@student.po.edu.pl")

    result = run_once(provisioner)

    assert result.rejected == 1
    assert eyes.entry(ANNA.uid) is None


def test_hostile_names_arrive_as_they_are(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    names = ['a,b+c="d"\\e<f>;#', "*)(uid=*", "#leading", "𝔛𝔜😀", "ZoĂŤ Ж 李", "=cmd|' /C calc'!A0", "[red]x[/]"]
    people = [
        Student(f"{number:032x}", album=str(1000 + number), given_name=name, surname=name)
        for number, name in enumerate(names)
    ]
    add_students(databases, keys, people)

    assert run_once(provisioner).is_complete
    assert [eyes.value(student.uid, "sn") for student in people] == names
    assert make_plan(provisioner, ACTOR).changes == 0


def test_a_run_survives_being_killed_at_any_moment(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, keys: Keys, counts: Counts
) -> None:
    chance = random.Random(counts.seed)  # noqa: S311 - moments, not secrets
    people = [Student(f"{number:032x}", album=str(1000 + number)) for number in range(100)]
    add_students(databases, keys, people)
    plan = make_plan(provisioner, ACTOR)

    for _ in range(counts.kills):
        kill_in_mid_run(databases, directory, plan, after=chance.randrange(1, 60))
    result = apply_run(provisioner, plan.run_id, ACTOR)

    assert (result.done, result.is_complete) == (100, True)
    assert len(list(provisioner.targets["ldap"].read())) == 100
    assert (make_plan(provisioner, ACTOR).changes, waiting(databases)) == (0, 0)


def kill_in_mid_run(databases: Databases, directory: PrivateSlapd, plan: Run, after: int) -> None:
    words = [str(databases.settings.folder), str(directory.folder), plan.run_id]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.apply_child", *words], stdout=subprocess.PIPE, cwd=PROJECT
    ) as child:
        assert child.stdout is not None
        for _ in range(after):  # a run that is nearly done ends before: harmless, too
            if not child.stdout.readline():
                break
        child.kill()


def test_each_change_is_in_the_journal_without_its_values(
    provisioner: Provisioner, databases: Databases, keys: Keys
) -> None:
    add_students(databases, keys, [ANNA])
    result = run_once(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    run_once(provisioner)

    with databases.identity.read() as connection:
        rows = connection.execute(select(event_pending).order_by(event_pending.c.at, event_pending.c.event_id)).all()
    events = [(row.kind, row.subject, row.actor, json.loads(row.data)) for row in rows]

    assert [kind for kind, *_ in events] == [
        event_types.RUN_PLANNED,
        event_types.TARGET_CHANGED,
        event_types.RUN_APPLIED,
    ] * 2
    assert {actor for _, _, actor, _ in events} == {ACTOR.actor_id}
    assert events[0][1] == events[1][3]["run"] == result.run.run_id
    assert (events[4][1], events[4][3]["kind"]) == (ANNA.person_id, "update")
    assert events[4][3]["attributes"] == ["cn", "displayName", "sn"]
    assert "Nowak" not in str(events)
