"""Taking runs back over a real directory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

import pytest
from sqlalchemy import insert, select

from deploy.openldap.private import PrivateSlapd
from idp.accounts.locks import lock_account, unlock_account
from idp.db.databases import Databases
from idp.drivers.ldap_values import Replace
from idp.errors import Conflict, NeedsApproval, NotFound, TargetUnavailable
from idp.keys.key_files import Keys
from idp.people.account_queries import load_account
from idp.people.change_queries import queue_recompute
from idp.people.source_queries import PersonSource, add_source
from idp.people.tables import enrolment
from idp.people.values import Source
from idp.permissions import Actor, Role
from idp.provisioning import run_queries
from idp.provisioning.approval import approve
from idp.provisioning.executor import apply_chunks, apply_run, begin, finish
from idp.provisioning.live import reconcile_person
from idp.provisioning.merging import make_merge
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeState, Run, RunKind, Runner, RunState
from idp.provisioning.run_steps import pause, request, resume
from idp.provisioning.settings import LimitSettings
from idp.provisioning.target import Stage
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.undo import drop_pins, make_undo
from idp.provisioning.values import Change, Entry, Outcome
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.provisioning import (
    Eyes,
    add_students,
    change_person,
    change_status,
    choose_mail_name,
    make_provisioner,
    mark,
)
from tests.support.students import SEEN, Student

ANNA = Student("a" * 32, album="00123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 32, album="123456", given_name="Jan", surname="Beek", surname_prefix="van")
ACTOR = shell("tester")


@pytest.fixture
def doors(databases: Databases, directory: PrivateSlapd, clock: ManualClock) -> Iterator[Provisioner]:
    """Steps over the directory and our own accounts, which know nothing but open and closed."""
    made = make_provisioner(databases, directory, clock, others={"accounts": AccountsTarget(databases.identity)})
    yield made
    made.close()


def open_in(provisioner: Provisioner, student: Student) -> list[str]:
    """Return the targets in which somebody may sign in."""
    return [
        kind
        for kind, target in provisioner.targets.items()
        if (entry := target.read_one(student.person_id, student.uid)) and entry.enabled
    ]


def wrongly_suspended_and_undone(doors: Provisioner, keys: Keys) -> Run:
    """Return the run that suspended Anna, taken back since."""
    add_students(doors.databases, keys, [ANNA])
    run_now(doors)
    change_status(doors.databases, ANNA.person_id, "suspended")
    run = run_now(doors)
    assert open_in(doors, ANNA) == []
    undo_now(doors, run)
    assert open_in(doors, ANNA) == ["accounts", "ldap"]
    return run


@dataclass(frozen=True, slots=True)
class Interrupted(AccountsTarget):
    """Our accounts, enabled before the directory, and something that happens when the first of the changes is made."""

    stage: ClassVar[Stage] = Stage.MAIL
    acts: list[Callable[[], object]]

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        for outcome in AccountsTarget.apply(self, changes):
            yield outcome
            while self.acts:
                self.acts.pop()()


def run_now(provisioner: Provisioner) -> Run:
    run = make_plan(provisioner, ACTOR)
    assert apply_run(provisioner, run.run_id, ACTOR).is_complete
    return run


def undo_now(provisioner: Provisioner, run: Run, *, remove_created: bool = False) -> Run:
    undo = make_undo(provisioner, run.run_id, ACTOR, remove_created=remove_created)
    assert apply_run(provisioner, undo.run_id, ACTOR).is_complete
    return undo


def everything(provisioner: Provisioner) -> list[Entry]:
    return sorted(provisioner.targets["ldap"].read(), key=lambda entry: entry.person_id)


def findings(provisioner: Provisioner, run: Run) -> list[str]:
    with provisioner.databases.identity.read() as connection:
        return [row.what for row in run_queries.findings_of(connection, run.run_id)]


def kinds(provisioner: Provisioner, run: Run) -> list[str]:
    with provisioner.databases.identity.read() as connection:
        return [row.kind for row in run_queries.changes_of(connection, run.run_id)]


def test_an_undo_puts_back_exactly_what_the_run_changed(
    provisioner: Provisioner, databases: Databases, keys: Keys
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_now(provisioner)
    before = everything(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    change_status(databases, JAN.person_id, "suspended")
    run = run_now(provisioner)

    undo = undo_now(provisioner, run)

    assert everything(provisioner) == before
    assert (undo.kind, undo.undoes) == (RunKind.UNDO, run.run_id)
    assert sorted(kinds(provisioner, undo)) == ["enable", "update"]
    assert findings(provisioner, undo) == []


def test_what_was_undone_stays_undone_until_the_records_say_something_else(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    undo_now(provisioner, run_now(provisioner))

    assert make_plan(provisioner, ACTOR).changes == 0
    change_person(databases, ANNA.person_id, given_name="Hanna")
    run_now(provisioner)
    assert [eyes.value(ANNA.uid, name) for name in ("givenName", "sn")] == ["Hanna", "Kowalska"]

    change_person(databases, ANNA.person_id, surname="Zając")
    run_now(provisioner)
    assert eyes.value(ANNA.uid, "sn") == "Zając"
    change_person(databases, ANNA.person_id, surname="Nowak")
    run_now(provisioner)
    assert eyes.value(ANNA.uid, "sn") == "Nowak"


def test_dropping_the_pins_lets_the_records_be_obeyed_again(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    run = run_now(provisioner)
    undo_now(provisioner, run)

    assert drop_pins(provisioner, run.run_id, ACTOR) == 1
    assert drop_pins(provisioner, run.run_id, ACTOR) == 0

    run_now(provisioner)
    assert eyes.value(ANNA.uid, "sn") == "Nowak"


def test_an_undo_can_be_undone(provisioner: Provisioner, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    change_status(databases, JAN.person_id, "suspended")
    run = run_now(provisioner)
    changed = everything(provisioner)

    undo_now(provisioner, undo_now(provisioner, run))

    assert everything(provisioner) == changed
    assert make_plan(provisioner, ACTOR).changes == 0
    assert drop_pins(provisioner, run.run_id, ACTOR) == 0


def test_entries_that_the_run_made_are_locked_and_listed(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run = run_now(provisioner)

    undo = undo_now(provisioner, run)

    assert kinds(provisioner, undo) == ["disable"]
    assert findings(provisioner, undo) == ["not undone: the run created it: it stays, locked (--remove removes it)"]
    assert eyes.value(ANNA.uid, "idpStatus") == "suspended"
    assert eyes.value(ANNA.uid, "pwdAccountLockedTime") == "000001010000Z"
    assert make_plan(provisioner, ACTOR).changes == 0
    drop_pins(provisioner, run.run_id, ACTOR)
    run_now(provisioner)
    assert eyes.value(ANNA.uid, "idpStatus") == "active"
    assert eyes.value(ANNA.uid, "pwdAccountLockedTime") is None


def test_an_entry_whose_suspension_was_undone_is_locked_whole_when_its_making_is_undone(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    first = run_now(provisioner)
    change_status(databases, ANNA.person_id, "suspended")
    undo_now(provisioner, run_now(provisioner))

    undo_now(provisioner, first)

    assert eyes.value(ANNA.uid, "idpStatus") == "suspended"
    assert eyes.value(ANNA.uid, "eduPersonAffiliation") is None
    assert make_plan(provisioner, ACTOR).changes == 0


def test_entries_that_the_run_made_are_removed_on_request_and_not_made_again(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run = run_now(provisioner)

    undo = undo_now(provisioner, run, remove_created=True)

    assert kinds(provisioner, undo) == ["remove"]
    assert eyes.entry(ANNA.uid) is None
    assert make_plan(provisioner, ACTOR).changes == 0
    drop_pins(provisioner, run.run_id, ACTOR)
    run_now(provisioner)
    assert eyes.value(ANNA.uid, "sn") == "Kowalska"


def test_whoever_became_staff_since_an_undo_was_planned_keeps_the_entry(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    undo = make_undo(provisioner, run_now(provisioner).run_id, ACTOR, remove_created=True)
    with databases.identity.write() as connection:
        add_source(connection, ANNA.person_id, PersonSource(Source.STAFF, "7"), SEEN)
        queue_recompute(connection, [ANNA.person_id])

    result = apply_run(provisioner, undo.run_id, ACTOR)

    assert (result.done, result.superseded) == (1, 1)
    assert (eyes.entry(ANNA.uid) is None, eyes.entry(JAN.uid)) == (False, None)
    with databases.identity.read() as connection:
        (left,) = run_queries.changes_of(connection, undo.run_id, state=ChangeState.SUPERSEDED)
    assert (left.person_id, left.error) == (ANNA.person_id, "entries of staff are never removed")


def test_whose_entry_an_undo_removes_claims_the_account_again(
    doors: Provisioner, databases: Databases, keys: Keys
) -> None:
    add_students(databases, keys, [replace(ANNA, claimed_at=SEEN)])
    run = run_now(doors)

    undo_now(doors, run, remove_created=True)

    with databases.identity.read() as connection:
        account = load_account(connection, ANNA.person_id)
    assert account is not None
    assert not account.is_claimed


def test_an_entry_that_an_undo_locked_is_removed_by_another_one_on_request(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run = run_now(provisioner)
    undo_now(provisioner, run)

    undo = undo_now(provisioner, run, remove_created=True)

    assert kinds(provisioner, undo) == ["remove"]
    assert eyes.entry(ANNA.uid) is None
    assert make_plan(provisioner, ACTOR).changes == 0


def test_an_entry_that_changed_since_the_run_made_it_is_locked_and_never_removed(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run = run_now(provisioner)
    choose_mail_name(databases, ANNA.person_id, "anna.kowalska@student.po.edu.pl", "s00123@student.po.edu.pl")
    reconcile_person(provisioner, ANNA.person_id)

    undo = undo_now(provisioner, run, remove_created=True)

    assert kinds(provisioner, undo) == ["disable"]
    assert findings(provisioner, undo) == ["not undone: the run created it: it changed since, so it stays, locked"]
    assert eyes.value(ANNA.uid, "mail") == "anna.kowalska@student.po.edu.pl"
    assert eyes.value(ANNA.uid, "idpStatus") == "suspended"


def test_a_removal_taken_back_brings_the_entry_without_its_password(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run = run_now(provisioner)
    before = everything(provisioner)

    back = undo_now(provisioner, undo_now(provisioner, run, remove_created=True))

    assert everything(provisioner) == before
    assert findings(provisioner, back) == ["not undone: comes back without a password, which went with the entry"]
    assert make_plan(provisioner, ACTOR).changes == 0


def test_what_somebody_changed_since_stays_and_is_listed(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    run = run_now(provisioner)
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("sn", ["Zając"])])

    undo = undo_now(provisioner, run)

    assert findings(provisioner, undo) == ["not undone: sn changed since"]
    assert [eyes.value(ANNA.uid, name) for name in ("cn", "sn")] == ["Anna Kowalska", "Zając"]


def test_a_suspension_is_not_half_undone(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [JAN])
    run_now(provisioner)
    change_status(databases, JAN.person_id, "suspended")
    run = run_now(provisioner)
    change_status(databases, JAN.person_id, "graduated_diploma", date(2001, 6, 1))
    run_now(provisioner)

    undo = undo_now(provisioner, run)

    assert undo.changes == 0
    assert findings(provisioner, undo)[0].startswith("not undone: ")
    assert eyes.value(JAN.uid, "idpStatus") == "closed"
    assert eyes.value(JAN.uid, "pwdAccountLockedTime") == "000001010000Z"


def test_a_suspension_that_was_undone_comes_back_when_the_records_close_the_person(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [JAN])
    run_now(provisioner)
    change_status(databases, JAN.person_id, "suspended")
    undo_now(provisioner, run_now(provisioner))
    assert eyes.value(JAN.uid, "idpStatus") == "active"

    change_status(databases, JAN.person_id, "graduated_diploma", date(2001, 6, 1))
    run_now(provisioner)

    assert eyes.value(JAN.uid, "idpStatus") == "closed"
    assert eyes.value(JAN.uid, "pwdAccountLockedTime") == "000001010000Z"


def test_what_a_person_does_after_an_undo_brings_nothing_of_it_back(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    undo_now(provisioner, run_now(provisioner))

    choose_mail_name(databases, ANNA.person_id, "anna.kowalska@student.po.edu.pl", "s00123@student.po.edu.pl")
    reconcile_person(provisioner, ANNA.person_id)

    assert eyes.value(ANNA.uid, "mail") == "anna.kowalska@student.po.edu.pl"
    assert eyes.value(ANNA.uid, "sn") == "Kowalska"


def test_records_that_changed_before_the_undo_is_applied_are_written_by_the_next_run(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    undo = make_undo(provisioner, run_now(provisioner).run_id, ACTOR)
    change_person(databases, ANNA.person_id, surname="Zając")

    assert apply_run(provisioner, undo.run_id, ACTOR).is_complete
    assert eyes.value(ANNA.uid, "sn") == "Kowalska"
    run_now(provisioner)
    assert eyes.value(ANNA.uid, "sn") == "Zając"


def test_an_undo_that_waited_leaves_out_alone_who_changed_meanwhile(
    provisioner: Provisioner, databases: Databases, keys: Keys
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    run_now(provisioner)
    for student in (ANNA, JAN):
        change_status(databases, student.person_id, "suspended")
    undo = make_undo(provisioner, run_now(provisioner).run_id, ACTOR)
    choose_mail_name(databases, ANNA.person_id, "anna@student.po.edu.pl", "s1@student.po.edu.pl")
    reconcile_person(provisioner, ANNA.person_id)

    became = apply_run(provisioner, undo.run_id, ACTOR)

    assert (became.run.state, became.done, became.superseded) == (RunState.APPLIED, 1, 1)


def test_attributes_of_others_are_left_alone_by_an_undo(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    run = run_now(provisioner)
    eyes.directory.modify(directory.settings.person_dn(ANNA.uid), [Replace("telephoneNumber", ["+48 77 000 00 00"])])

    undo_now(provisioner, run)

    assert eyes.value(ANNA.uid, "telephoneNumber") == "+48 77 000 00 00"
    assert eyes.value(ANNA.uid, "sn") == "Kowalska"


def test_the_guard_counts_an_undo_like_any_other_plan(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes
) -> None:
    everybody = [Student(f"{number:032x}", album=str(1000 + number)) for number in range(8)]
    free = make_provisioner(databases, directory, clock)
    strict = make_provisioner(databases, directory, clock, LimitSettings(update_share=0.5, update_floor=0))
    add_students(databases, keys, everybody)
    run_now(free)
    for student in everybody:
        change_person(databases, student.person_id, surname="Nowak")
    run = run_now(free)

    undo = make_undo(strict, run.run_id, ACTOR)

    with pytest.raises(NeedsApproval):
        apply_run(strict, undo.run_id, ACTOR)
    assert eyes.value(everybody[0].uid, "sn") == "Nowak"
    free.close()
    strict.close()


def test_a_run_that_is_not_there_or_wrote_nothing_is_refused(
    provisioner: Provisioner, databases: Databases, keys: Keys
) -> None:
    add_students(databases, keys, [ANNA])
    planned = make_plan(provisioner, ACTOR)

    with pytest.raises(NotFound):
        make_undo(provisioner, "f" * 32, ACTOR)
    with pytest.raises(Conflict, match="has written nothing"):
        make_undo(provisioner, planned.run_id, ACTOR)


def half_done(databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys) -> tuple[Provisioner, Run]:
    """Return a run that goes on by itself: its directory went away when the first account was made."""
    ours = Interrupted(databases.identity, [directory.stop])
    doors = make_provisioner(databases, directory, clock, others={"accounts": ours}, target_patience_s=0)
    add_students(databases, keys, [replace(ANNA, enabled=False)])
    run = make_plan(doors, ACTOR)
    with pytest.raises(TargetUnavailable):
        apply_run(doors, run.run_id, ACTOR)
    return doors, run


def test_a_run_that_goes_on_by_itself_is_not_undone_before_it_is_paused(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    doors, run = half_done(databases, directory, clock, keys)

    with pytest.raises(Conflict, match="goes on by itself; pause or cancel it first"):
        make_undo(provisioner, run.run_id, ACTOR)

    pause(doors, run.run_id, ACTOR)
    resume(doors, run.run_id, ACTOR)
    with pytest.raises(Conflict, match="goes on by itself; pause or cancel it first"):
        make_undo(provisioner, run.run_id, ACTOR)
    pause(doors, run.run_id, ACTOR)
    doors.close()


def test_of_a_run_and_its_undo_one_is_carried_out(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    doors, run = half_done(databases, directory, clock, keys)
    pause(doors, run.run_id, ACTOR)
    directory.start()
    undo = make_undo(doors, run.run_id, ACTOR)

    resume(doors, run.run_id, ACTOR)
    with pytest.raises(Conflict, match="which this one takes back, goes on; pause or cancel it first"):
        apply_run(doors, undo.run_id, ACTOR)

    pause(doors, run.run_id, ACTOR)
    assert apply_run(doors, undo.run_id, ACTOR).is_complete
    for carry_on in (resume, request):
        with pytest.raises(Conflict, match=f"was taken back by {undo.run_id}: make a new plan"):
            carry_on(doors, run.run_id, ACTOR)
    doors.close()


def test_the_last_approval_begins_no_undo_of_a_run_that_goes_on(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    doors, run = half_done(databases, directory, clock, keys)
    pause(doors, run.run_id, ACTOR)
    directory.start()
    accounts = {"accounts": AccountsTarget(databases.identity)}
    strict = make_provisioner(databases, directory, clock, LimitSettings(disable_share=0, disable_floor=0), accounts)
    undo = make_undo(strict, run.run_id, ACTOR)
    approver = Actor("1" * 32, Role.ADMINISTRATOR, "Ewa", ("password",))
    approval = (databases, strict.settings, undo.run_id, undo.digest, approver, clock)

    resume(strict, run.run_id, ACTOR)
    with pytest.raises(Conflict, match="which this one takes back, goes on; pause or cancel it first"):
        approve(*approval)
    assert strict.read(run_queries.require_run, undo.run_id).state is RunState.AWAITING_APPROVAL

    pause(strict, run.run_id, ACTOR)
    assert approve(*approval).missing == 0
    assert apply_run(strict, undo.run_id, ACTOR).is_complete
    strict.close()
    doors.close()


def test_pins_are_dropped_although_their_run_was_deleted(
    provisioner: Provisioner, databases: Databases, keys: Keys, clock: ManualClock, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    run = run_now(provisioner)
    undo_now(provisioner, run)
    clock.advance(1)
    with databases.identity.write() as connection:
        run_queries.forget_runs(connection, clock.now(), 10)

    assert drop_pins(provisioner, run.run_id, ACTOR) == 1

    run_now(provisioner)
    assert eyes.value(ANNA.uid, "sn") == "Nowak"
    with pytest.raises(NotFound, match="no pin of it"):
        drop_pins(provisioner, run.run_id, ACTOR)


# --- who may sign in ------------------------------------------------------------------------------------------------


def test_a_suspension_that_was_undone_stays_so_against_the_same_records(doors: Provisioner, keys: Keys) -> None:
    wrongly_suspended_and_undone(doors, keys)

    change_status(doors.databases, ANNA.person_id, "suspended", date(2026, 2, 1))
    change_person(doors.databases, ANNA.person_id, surname="Nowak")
    run_now(doors)

    assert open_in(doors, ANNA) == ["accounts", "ldap"]
    assert make_plan(doors, ACTOR, scope=Scope.ALL).changes == 0


@pytest.mark.parametrize(
    ("status", "since"),
    [
        pytest.param("cancelled", date(2024, 1, 1), id="struck off"),
        pytest.param("graduated_diploma", date(2001, 6, 1), id="left long ago"),
        pytest.param("admitted", date(2001, 6, 1), id="never came"),
    ],
)
def test_a_new_reason_closes_everywhere_who_stayed_open_by_an_undo(
    doors: Provisioner, keys: Keys, status: str, since: date
) -> None:
    wrongly_suspended_and_undone(doors, keys)

    change_status(doors.databases, ANNA.person_id, status, since)
    run_now(doors)

    assert open_in(doors, ANNA) == []
    assert make_plan(doors, ACTOR, scope=Scope.ALL).changes == 0
    change_status(doors.databases, ANNA.person_id, "suspended")
    run_now(doors)
    assert open_in(doors, ANNA) == []


def test_a_second_programme_closes_everywhere_who_stayed_open_by_an_undo_although_the_reason_is_the_same(
    doors: Provisioner, keys: Keys
) -> None:
    wrongly_suspended_and_undone(doors, keys)

    with doors.databases.identity.write() as connection:
        (row,) = connection.execute(select(enrolment).where(enrolment.c.person_id == ANNA.person_id)).mappings()
        new = {"programme": "OTHER", "level": "2", "status": "graduated_diploma", "status_from": date(2026, 9, 1)}
        connection.execute(insert(enrolment).values({**row, **new}))
    mark(doors.databases, [ANNA.person_id])
    run_now(doors)

    assert open_in(doors, ANNA) == []
    assert make_plan(doors, ACTOR, scope=Scope.ALL).changes == 0


def test_a_merge_closes_everywhere_who_stayed_open_by_an_undo(doors: Provisioner, keys: Keys) -> None:
    wrongly_suspended_and_undone(doors, keys)
    add_students(doors.databases, keys, [JAN])
    run_now(doors)

    merge = make_merge(doors, JAN.person_id, ANNA.person_id, ACTOR)
    apply_run(doors, merge.run_id, ACTOR)

    assert open_in(doors, ANNA) == []


def test_a_human_closes_everywhere_who_stayed_open_by_an_undo_and_lets_go_again(
    doors: Provisioner, keys: Keys, clock: ManualClock, eyes: Eyes
) -> None:
    wrongly_suspended_and_undone(doors, keys)

    lock_account(doors.databases, clock, ANNA.person_id, ACTOR, "stolen password")
    reconcile_person(doors, ANNA.person_id)

    assert open_in(doors, ANNA) == []
    assert (eyes.value(ANNA.uid, "idpStatus"), eyes.value(ANNA.uid, "pwdAccountLockedTime")) == (
        "suspended",
        "000001010000Z",
    )
    change_person(doors.databases, ANNA.person_id, surname="Nowak")
    run_now(doors)
    assert open_in(doors, ANNA) == []
    assert make_plan(doors, ACTOR, scope=Scope.ALL).changes == 0
    # The suspension is as wrong as it was.
    unlock_account(doors.databases, clock, ANNA.person_id, ACTOR)
    reconcile_person(doors, ANNA.person_id)
    assert open_in(doors, ANNA) == ["accounts", "ldap"]


def test_a_human_who_lets_go_does_not_open_an_entry_whose_making_was_undone(
    doors: Provisioner, keys: Keys, clock: ManualClock
) -> None:
    add_students(doors.databases, keys, [ANNA])
    undo_now(doors, run_now(doors))
    assert "ldap" not in open_in(doors, ANNA)

    for act in (lock_account, lambda *given: unlock_account(*given[:-1])):
        act(doors.databases, clock, ANNA.person_id, ACTOR, "asked for by phone")
        reconcile_person(doors, ANNA.person_id)
        assert "ldap" not in open_in(doors, ANNA)
        assert make_plan(doors, ACTOR, scope=Scope.ALL).changes == 0


@pytest.mark.parametrize("by_hand", [True, False])
def test_who_is_open_for_another_reason_is_not_let_in_by_an_undo(
    doors: Provisioner, keys: Keys, clock: ManualClock, by_hand: bool
) -> None:
    add_students(doors.databases, keys, [ANNA])
    run_now(doors)
    change_status(doors.databases, ANNA.person_id, "suspended")
    run = run_now(doors)
    if by_hand:
        lock_account(doors.databases, clock, ANNA.person_id, ACTOR, "stolen password")
    else:
        change_status(doors.databases, ANNA.person_id, "cancelled", date(2024, 1, 1))

    undo = make_undo(doors, run.run_id, ACTOR)

    assert undo.changes == 0
    said = "a human locked the account" if by_hand else "the records close the account for another reason by now"
    assert all(each.startswith(f"not undone: {said}") for each in findings(doors, undo))
    assert len(findings(doors, undo)) == 2


def test_an_undo_that_is_undone_twice_is_pinned_against_the_first_reason(doors: Provisioner, keys: Keys) -> None:
    add_students(doors.databases, keys, [ANNA])
    run_now(doors)
    change_status(doors.databases, ANNA.person_id, "suspended")
    undo_now(doors, undo_now(doors, undo_now(doors, run_now(doors))))
    assert open_in(doors, ANNA) == ["accounts", "ldap"]
    assert make_plan(doors, ACTOR, scope=Scope.ALL).changes == 0

    change_status(doors.databases, ANNA.person_id, "cancelled", date(2024, 1, 1))
    run_now(doors)

    assert open_in(doors, ANNA) == []


# --- what happens between the plan and its last batch ---------------------------------------------------------------


def states_of(provisioner: Provisioner, run: Run, student: Student) -> list[tuple[str, str, str]]:
    with provisioner.databases.identity.read() as connection:
        rows = run_queries.changes_of(connection, run.run_id, person_id=[student.person_id])
    return [(row.target, row.state, row.error) for row in rows]


def test_an_undo_that_is_resumed_lets_nobody_in_who_was_held_meanwhile(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    ours = Interrupted(databases.identity, [])
    doors = make_provisioner(databases, directory, clock, others={"accounts": ours}, batch=1)
    add_students(databases, keys, [ANNA, JAN])
    run_now(doors)
    for student in (ANNA, JAN):
        change_status(databases, student.person_id, "suspended")
    undo = make_undo(doors, run_now(doors).run_id, ACTOR)
    ours.acts.append(lambda: pause(doors, undo.run_id, ACTOR))
    apply_run(doors, undo.run_id, ACTOR)
    (shut,) = (student for student in (ANNA, JAN) if not open_in(doors, student))
    (enabled,) = (student for student in (ANNA, JAN) if student != shut)
    lock_account(databases, clock, shut.person_id, ACTOR, "stolen password")
    reconcile_person(doors, shut.person_id)

    resume(doors, undo.run_id, ACTOR)
    result = apply_run(doors, undo.run_id, ACTOR)

    assert (open_in(doors, shut), open_in(doors, enabled)) == ([], ["ldap", "accounts"])
    assert (result.run.state, result.superseded) == (RunState.APPLIED, 2)
    why = "a human locked the account"
    assert states_of(doors, undo, shut) == [
        ("ldap", ChangeState.SUPERSEDED, why),
        ("accounts", ChangeState.SUPERSEDED, why),
    ]
    assert make_plan(doors, ACTOR, scope=Scope.ALL).changes == 0
    doors.close()


@pytest.mark.parametrize("canary", [0, 1])
def test_what_changes_after_an_undo_has_begun_is_left_as_it_is(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys, eyes: Eyes, canary: int
) -> None:
    provisioner = make_provisioner(databases, directory, clock, canary=canary)
    add_students(databases, keys, [ANNA, JAN])
    run_now(provisioner)
    for student in (ANNA, JAN):
        change_person(databases, student.person_id, surname="Nowak")
    undo = make_undo(provisioner, run_now(provisioner).run_id, ACTOR)
    run = request(provisioner, undo.run_id, ACTOR)
    begun = begin(provisioner, undo.run_id, run.attempt + 1, Runner.COMMAND)
    change_person(databases, JAN.person_id, surname="Zając")
    reconcile_person(provisioner, JAN.person_id)

    assert list(apply_chunks(provisioner, undo.run_id, run.attempt + 1, begun.chunks)) == [None] * len(begun.chunks)
    finish(provisioner, undo.run_id, run.attempt + 1)

    assert [eyes.value(student.uid, "sn") for student in (ANNA, JAN)] == ["Kowalska", "van Zając"]
    assert states_of(provisioner, undo, JAN) == [
        ("ldap", ChangeState.SUPERSEDED, "changed since this undo was planned")
    ]
    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0
    provisioner.close()


def test_an_undo_waits_for_a_directory_that_goes_away_before_a_batch(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    provisioner = make_provisioner(databases, directory, clock, canary=0, target_patience_s=0)
    add_students(databases, keys, [ANNA])
    run_now(provisioner)
    change_person(databases, ANNA.person_id, surname="Nowak")
    undo = make_undo(provisioner, run_now(provisioner).run_id, ACTOR)
    run = request(provisioner, undo.run_id, ACTOR)
    begun = begin(provisioner, undo.run_id, run.attempt + 1, Runner.COMMAND)
    directory.stop()

    (error,) = apply_chunks(provisioner, undo.run_id, run.attempt + 1, begun.chunks)
    result = finish(provisioner, undo.run_id, run.attempt + 1)

    assert isinstance(error, TargetUnavailable)
    assert (result.run.state, result.left) == (RunState.INCOMPLETE, 1)
    provisioner.close()
    directory.start()
    clock.advance(3600)
    again = make_provisioner(databases, directory, clock)
    assert apply_run(again, undo.run_id, ACTOR).is_complete
    again.close()
