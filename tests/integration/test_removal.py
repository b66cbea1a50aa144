"""Removal of entries after grace, over a real directory and our own accounts."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.audit import event_types
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import Conflict, NeedsApproval
from idp.keys.key_files import Keys
from idp.letters.outgoing import newest_letters
from idp.people.tables import account, assigned_identifier
from idp.permissions import Actor, Role
from idp.provisioning import run_queries
from idp.provisioning.approval import approve
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.removal import announce_removals, make_removal_plan
from idp.provisioning.run import Run, RunKind, RunState
from idp.provisioning.tables import removal_notice
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.undo import make_undo
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_target import FaultyTarget
from tests.support.provisioning import NO_LIMITS, Eyes, add_students, change_person, change_status, make_provisioner
from tests.support.students import Student

ACTOR = shell("tester")
CLAIMED = datetime(2025, 1, 1, tzinfo=UTC)
ANNA = Student("a" * 32, album="00123", given_name="Anna", surname="Kowalska", claimed_at=CLAIMED)
JAN = Student("b" * 32, album="123456", given_name="Jan", surname="Beek", claimed_at=CLAIMED)
LONG_AGO, LATELY = date(2024, 1, 1), date(2025, 10, 1)
DAY_S = 86_400


@pytest.fixture
def provisioner(databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys) -> Iterator[Provisioner]:
    """Anna left long ago and Jan lately; both are closed everywhere."""
    accounts = {"accounts": AccountsTarget(databases.identity)}
    days = {"remove_after_days": 365, "removal_notice_days": 30}
    made = make_provisioner(databases, directory, clock, NO_LIMITS, accounts, **days)
    add_students(databases, keys, [ANNA, JAN])
    run_now(made)
    for student, since in ((ANNA, LONG_AGO), (JAN, LATELY)):
        leave(databases, student, since)
    run_now(made)
    yield made
    made.close()


def leave(databases: Databases, student: Student, since: date) -> None:
    change_status(databases, student.person_id, "graduated_diploma", since)
    change_person(databases, student.person_id, access="closed")


def come_back(databases: Databases, student: Student) -> None:
    change_status(databases, student.person_id, "active", date(2026, 10, 1))
    change_person(databases, student.person_id, access="active")


def run_now(provisioner: Provisioner) -> None:
    assert apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR).is_complete


def sign_for(provisioner: Provisioner, run: Run, *names: str) -> None:
    for name in names:
        approver = Actor(name * 32, Role.ADMINISTRATOR, name, ("password",))
        approve(provisioner.databases, provisioner.settings, run.run_id, run.digest, approver, provisioner.clock)


def announced(provisioner: Provisioner, keys: Keys) -> None:
    """Announce what there is, and let the days of notice pass."""
    announce_removals(provisioner, keys)
    provisioner.clock.sleep(30 * DAY_S)


def claimed_at(databases: Databases, student: Student) -> datetime | None:
    with databases.identity.read() as connection:
        query = select(account.c.claimed_at).where(account.c.account_id == student.person_id)
        found: datetime | None = connection.execute(query).scalar_one()
    return found


def people_in(provisioner: Provisioner, run: Run) -> list[tuple[str, str, str]]:
    with provisioner.databases.identity.read() as connection:
        return [(row.target, row.kind, row.person_id) for row in run_queries.changes_of(connection, run.run_id)]


def test_a_removal_is_announced_once_by_letter(provisioner: Provisioner, databases: Databases, keys: Keys) -> None:
    assert announce_removals(provisioner, keys) == 1
    assert announce_removals(provisioner, keys) == 0

    with databases.identity.read() as connection:
        (letter,) = newest_letters(connection, None, 10)
        rows = connection.execute(select(event_pending).where(event_pending.c.kind == event_types.REMOVAL_ANNOUNCED))
        assert [row.subject for row in rows] == [ANNA.person_id]
    assert (letter.topic, letter.subject, letter.destination) == ("removal", ANNA.person_id, ANNA.private_mail)


def test_nobody_is_removed_before_the_days_of_notice_are_over(
    provisioner: Provisioner, keys: Keys, clock: ManualClock
) -> None:
    assert make_removal_plan(provisioner, ACTOR).changes == 0
    announce_removals(provisioner, keys)
    clock.advance(29 * DAY_S)

    assert make_removal_plan(provisioner, ACTOR).changes == 0
    clock.advance(DAY_S)
    run = make_removal_plan(provisioner, ACTOR)
    assert (run.kind, people_in(provisioner, run)) == (RunKind.REMOVAL, [("ldap", "remove", ANNA.person_id)])


def test_a_removal_always_needs_two_approvals_and_ends_the_claim(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    announced(provisioner, keys)
    run = make_removal_plan(provisioner, ACTOR)
    sign_for(provisioner, run, "1")
    with pytest.raises(NeedsApproval, match="2 people"):
        apply_run(provisioner, run.run_id, ACTOR)
    assert eyes.entry(ANNA.uid) is not None

    sign_for(provisioner, run, "2")
    assert apply_run(provisioner, run.run_id, ACTOR).is_complete

    assert (eyes.entry(ANNA.uid), eyes.entry(JAN.uid) is None) == (None, False)
    assert (claimed_at(databases, ANNA), claimed_at(databases, JAN)) == (None, CLAIMED)
    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0
    assert make_removal_plan(provisioner, ACTOR).changes == 0


def test_who_returns_gets_an_entry_anew_under_the_same_names(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    announced(provisioner, keys)
    run = make_removal_plan(provisioner, ACTOR)
    sign_for(provisioner, run, "1", "2")
    apply_run(provisioner, run.run_id, ACTOR)
    with databases.identity.read() as connection:
        names = connection.execute(select(assigned_identifier)).all()

    come_back(databases, ANNA)
    run_now(provisioner)

    assert (eyes.value(ANNA.uid, "idpStatus"), eyes.value(ANNA.uid, "userPassword")) == ("active", None)
    assert claimed_at(databases, ANNA) is None  # so the account is claimed again
    with databases.identity.read() as connection:
        assert connection.execute(select(assigned_identifier)).all() == names


def test_who_returns_before_the_batch_keeps_the_entry(
    provisioner: Provisioner, databases: Databases, keys: Keys, eyes: Eyes
) -> None:
    announced(provisioner, keys)
    run = make_removal_plan(provisioner, ACTOR)
    come_back(databases, ANNA)
    run_now(provisioner)  # a plan that awaits approval keeps nobody from coming back
    assert eyes.value(ANNA.uid, "idpStatus") == "active"
    # Each person of a removal is judged when the change is written, so one return does not make the plan stale.
    assert provisioner.read(run_queries.require_run, run.run_id).state is RunState.AWAITING_APPROVAL

    sign_for(provisioner, run, "1", "2")
    result = apply_run(provisioner, run.run_id, ACTOR)

    assert (result.done, result.superseded) == (0, 1)
    assert eyes.value(ANNA.uid, "idpStatus") == "active"
    assert claimed_at(databases, ANNA) == CLAIMED


def test_an_undo_brings_the_entry_back_and_it_stays(
    provisioner: Provisioner, keys: Keys, eyes: Eyes, databases: Databases
) -> None:
    announced(provisioner, keys)
    run = make_removal_plan(provisioner, ACTOR)
    sign_for(provisioner, run, "1", "2")
    apply_run(provisioner, run.run_id, ACTOR)

    undo = make_undo(provisioner, run.run_id, ACTOR)
    assert apply_run(provisioner, undo.run_id, ACTOR).is_complete

    assert eyes.value(ANNA.uid, "idpStatus") == "closed"
    announced(provisioner, keys)
    assert make_removal_plan(provisioner, ACTOR).changes == 0
    assert make_plan(provisioner, ACTOR, scope=Scope.ALL).changes == 0


def test_a_removal_that_is_cut_short_after_the_directory_is_not_announced_again(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, keys: Keys, clock: ManualClock, eyes: Eyes
) -> None:
    mail = FaultyTarget()
    days = {"remove_after_days": 365, "removal_notice_days": 30, "max_attempts": 1}
    made = make_provisioner(databases, directory, clock, NO_LIMITS, {"faulty": mail}, **days)
    come_back(databases, ANNA)
    run_now(made)
    leave(databases, ANNA, LONG_AGO)
    run_now(made)
    announced(made, keys)
    mail.refuses.add(ANNA.person_id)
    run = make_removal_plan(made, ACTOR)
    sign_for(made, run, "1", "2")
    assert apply_run(made, run.run_id, ACTOR).rejected == 1
    assert (eyes.entry(ANNA.uid), ANNA.person_id in mail.entries) == (None, True)

    assert announce_removals(made, keys) == 0
    mail.refuses.clear()
    rest = make_removal_plan(made, ACTOR)
    assert people_in(made, rest) == [("faulty", "remove", ANNA.person_id)]
    sign_for(made, rest, "1", "2")
    assert apply_run(made, rest.run_id, ACTOR).is_complete
    with databases.identity.read() as connection:
        assert connection.execute(select(removal_notice)).all() == []
    made.close()


def test_removal_is_off_unless_it_is_set(
    databases: Databases, directory: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    off = make_provisioner(databases, directory, clock)

    assert announce_removals(off, keys) == 0
    with pytest.raises(Conflict, match=r"set provisioning\.remove_after_days"):
        make_removal_plan(off, ACTOR)
    off.close()
