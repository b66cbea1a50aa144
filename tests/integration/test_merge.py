"""Two records that are one person, over a real directory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from idp.db.databases import Databases
from idp.errors import Conflict, NotFound, StaleVersion
from idp.keys.key_files import Keys
from idp.people.merge_queries import PairRecord, load_merge, merges_in_force, pair_of, pairs_in, settle_pair
from idp.people.tables import assigned_identifier
from idp.people.values import PairState
from idp.permissions import SYSTEM
from idp.provisioning import run_queries
from idp.provisioning.executor import apply_run
from idp.provisioning.live import reconcile_due, reconcile_person
from idp.provisioning.merging import make_merge, make_unmerge, put_in_force
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Run
from idp.provisioning.run_steps import cancel
from idp.provisioning.undo import make_undo
from idp.provisioning.values import Change, Entry
from idp.registry.duplicates import evidence, find_duplicates
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.provisioning import Eyes, add_students, change_person, change_status, choose_mail_name
from tests.support.students import SEEN, Student

OLD = Student("a" * 32, album="123", given_name="Anna", surname="Kowalska")
NEW = Student("b" * 32, album="456", given_name="Anna", surname="Kowalska")
OTHER = Student("c" * 32, album="789", given_name="Jan", surname="Nowak")
ACTOR = shell("tester")


def run_now(provisioner: Provisioner) -> None:
    assert apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR).is_complete


def state(provisioner: Provisioner) -> dict[str, list[Entry]]:
    return {
        kind: sorted(target.read(), key=lambda entry: entry.person_id) for kind, target in provisioner.targets.items()
    }


def merged(provisioner: Provisioner, kept: Student = NEW, gone: Student = OLD) -> Run:
    run = make_merge(provisioner, kept.person_id, gone.person_id, ACTOR)
    assert apply_run(provisioner, run.run_id, ACTOR).is_complete
    return run


@pytest.fixture
def written(provisioner: Provisioner, databases: Databases, keys: Keys) -> Provisioner:
    """Three people in the directory; the old record has a mail name."""
    add_students(databases, keys, [OLD, NEW, OTHER])
    choose_mail_name(databases, OLD.person_id, "anna.kowalska@student.po.edu.pl", "s123@student.po.edu.pl")
    run_now(provisioner)
    return provisioner


def test_the_merged_record_is_closed_and_its_addresses_deliver_to_the_kept_one(
    written: Provisioner, eyes: Eyes
) -> None:
    merged(written)

    assert eyes.value(OLD.uid, "idpStatus") == "closed"
    assert eyes.value(OLD.uid, "pwdAccountLockedTime") == "000001010000Z"
    assert eyes.value(OLD.uid, "mailLocalAddress") is None
    assert eyes.value(NEW.uid, "mail") == "anna.kowalska@student.po.edu.pl"
    entry = eyes.entry(NEW.uid)
    assert entry is not None
    assert set(entry.values("mailLocalAddress")) == {"anna.kowalska@student.po.edu.pl", "s123@student.po.edu.pl"}
    assert eyes.value(NEW.uid, "idpStatus") == "active"
    assert make_plan(written, ACTOR, scope=Scope.ALL).changes == 0


def test_an_unmerge_restores_everything_exactly(written: Provisioner, databases: Databases) -> None:
    before = state(written)
    merged(written)

    run = make_unmerge(written, NEW.person_id, OLD.person_id, ACTOR)
    assert apply_run(written, run.run_id, ACTOR).is_complete

    assert state(written) == before
    assert make_plan(written, ACTOR, scope=Scope.ALL).changes == 0


def test_programmes_of_the_merged_record_count_for_the_kept_one(
    written: Provisioner, databases: Databases, eyes: Eyes
) -> None:
    change_status(databases, NEW.person_id, "graduated_diploma", date(2001, 6, 1))
    run_now(written)
    assert eyes.value(NEW.uid, "idpStatus") == "closed"

    merged(written)

    assert eyes.value(NEW.uid, "idpStatus") == "active"
    change_status(databases, OLD.person_id, "suspended")
    reconcile_due(written)
    assert eyes.value(NEW.uid, "idpStatus") == "suspended"


def test_what_happens_to_the_kept_one_live_keeps_the_merge(
    written: Provisioner, databases: Databases, eyes: Eyes
) -> None:
    merged(written)

    change_person(databases, NEW.person_id, surname="Nowak")
    reconcile_person(written, NEW.person_id)
    reconcile_person(written, OLD.person_id)

    assert eyes.value(NEW.uid, "sn") == "Nowak"
    assert eyes.value(NEW.uid, "mail") == "anna.kowalska@student.po.edu.pl"
    assert eyes.value(OLD.uid, "idpStatus") == "closed"


def test_a_planned_merge_changes_nothing_until_it_is_applied(written: Provisioner) -> None:
    make_merge(written, NEW.person_id, OLD.person_id, ACTOR)

    assert make_plan(written, ACTOR, scope=Scope.ALL).changes == 0


def test_a_merge_whose_target_moved_is_not_in_force(written: Provisioner, databases: Databases) -> None:
    run = make_merge(written, NEW.person_id, OLD.person_id, ACTOR)
    change_in_the_directory(written, NEW, "Jan")

    with pytest.raises(StaleVersion):
        apply_run(written, run.run_id, ACTOR)

    assert in_force(databases) == []
    assert make_plan(written, ACTOR).changes == 0
    assert_open(written, [OLD, NEW, OTHER])


def test_a_planned_merge_ends_with_its_plan(written: Provisioner, databases: Databases, clock: ManualClock) -> None:
    moved = make_merge(written, NEW.person_id, OLD.person_id, ACTOR)
    change_in_the_directory(written, NEW, "Jan")
    with pytest.raises(StaleVersion):
        apply_run(written, moved.run_id, ACTOR)
    run_now(written)
    old = make_merge(written, NEW.person_id, OLD.person_id, ACTOR)

    written.write(run_queries.forget_runs, clock.now() + timedelta(days=1), 100)

    with databases.identity.read() as connection:
        assert [load_merge(connection, run.run_id) for run in (moved, old)] == [None, None]


def test_an_unmerge_whose_target_moved_leaves_the_merge_in_force(written: Provisioner, databases: Databases) -> None:
    merged(written)
    run = make_unmerge(written, NEW.person_id, OLD.person_id, ACTOR)
    change_in_the_directory(written, NEW, "Jan")

    with pytest.raises(StaleVersion):
        apply_run(written, run.run_id, ACTOR)

    assert in_force(databases) == [(NEW.person_id, OLD.person_id)]
    assert make_plan(written, ACTOR).changes == 0
    assert_open(written, [NEW, OTHER])


def test_an_unmerge_that_was_cut_short_as_it_began_leaves_the_merge_in_force_when_its_target_moved(
    written: Provisioner, databases: Databases
) -> None:
    merged(written)
    run = make_unmerge(written, NEW.person_id, OLD.person_id, ACTOR)
    assert put_in_force(written, run)  # and its process is killed
    change_in_the_directory(written, NEW, "Jan")

    with pytest.raises(StaleVersion):
        apply_run(written, run.run_id, ACTOR)

    assert in_force(databases) == [(NEW.person_id, OLD.person_id)]
    reconcile_due(written)
    assert_open(written, [NEW, OTHER])


def test_of_two_plans_that_merge_two_people_into_each_other_one_is_applied(
    written: Provisioner, databases: Databases
) -> None:
    one = make_merge(written, NEW.person_id, OLD.person_id, ACTOR)
    other = make_merge(written, OLD.person_id, NEW.person_id, ACTOR)
    assert apply_run(written, one.run_id, ACTOR).is_complete

    with pytest.raises(StaleVersion, match="another merge came into force since this plan was made"):
        apply_run(written, other.run_id, ACTOR)

    assert in_force(databases) == [(NEW.person_id, OLD.person_id)]
    reconcile_due(written)
    assert_open(written, [NEW, OTHER])


def test_an_unmerge_that_another_one_has_done_takes_nothing_back(written: Provisioner, databases: Databases) -> None:
    merged(written)
    one, other = (make_unmerge(written, NEW.person_id, OLD.person_id, ACTOR) for _ in range(2))
    assert apply_run(written, one.run_id, ACTOR).is_complete
    change_in_the_directory(written, NEW, "Jan")

    with pytest.raises(StaleVersion):
        apply_run(written, other.run_id, ACTOR)

    assert in_force(databases) == []


def change_in_the_directory(provisioner: Provisioner, student: Student, given_name: str) -> None:
    """Write a name behind our back."""
    ldap = provisioner.targets["ldap"]
    (found,) = ldap.read([student.person_id])
    ldap.apply_one(Change.update(found, replace(found, attributes={**found.attributes, "givenName": (given_name,)})))


def in_force(databases: Databases) -> list[tuple[str, str]]:
    with databases.identity.read() as connection:
        return [(one.kept, one.merged) for one in merges_in_force(connection)]


def assert_open(provisioner: Provisioner, people: Sequence[Student]) -> None:
    for target in provisioner.targets.values():
        assert sorted(entry.person_id for entry in target.read() if entry.enabled) == sorted(
            student.person_id for student in people
        )


def test_names_stay_on_the_ledger_with_their_first_owner(written: Provisioner, databases: Databases) -> None:
    def owners() -> list[tuple[str, str]]:
        with databases.identity.read() as connection:
            return sorted((row.value, row.owner_id) for row in connection.execute(select(assigned_identifier)))

    before = owners()

    merged(written)

    assert owners() == before


def test_nobody_is_merged_twice_with_themselves_or_with_nobody(written: Provisioner) -> None:
    with pytest.raises(Conflict, match="one person already"):
        make_merge(written, NEW.person_id, NEW.person_id, ACTOR)
    with pytest.raises(NotFound):
        make_merge(written, NEW.person_id, "f" * 32, ACTOR)
    with pytest.raises(NotFound, match="not merged"):
        make_unmerge(written, NEW.person_id, OLD.person_id, ACTOR)
    run = merged(written)
    with pytest.raises(Conflict, match="merged into another"):
        make_merge(written, OTHER.person_id, OLD.person_id, ACTOR)
    with pytest.raises(Conflict, match="others were merged"):
        make_merge(written, OTHER.person_id, NEW.person_id, ACTOR)
    with pytest.raises(Conflict, match="idp people unmerge"):
        make_undo(written, run.run_id, ACTOR)


# --- the queue --------------------------------------------------------------------------------------------------------


def test_same_name_and_birth_date_wait_for_a_human_with_what_speaks_for_it(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    add_students(databases, keys, [OLD, NEW, OTHER])

    assert find_duplicates(databases, clock, SYSTEM) == 1
    assert find_duplicates(databases, clock, SYSTEM) == 0

    with databases.identity.read() as connection:
        (pair,) = pairs_in(connection, (PairState.OPEN,), 10)
    assert {pair.person_a, pair.person_b} == {OLD.person_id, NEW.person_id}
    assert pair.evidence == {"same_name": "Anna Kowalska", "same_birth": "1905-03-14"}


def test_a_dismissed_pair_does_not_come_again(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    add_students(databases, keys, [OLD, NEW])
    find_duplicates(databases, clock, SYSTEM)
    with databases.identity.write() as connection:
        settle_pair(connection, NEW.person_id, OLD.person_id, PairState.DISMISSED, clock.now(), ACTOR.actor_id)

    assert find_duplicates(databases, clock, SYSTEM) == 0


def test_a_merge_settles_the_pair_and_an_unmerge_opens_it_again(
    written: Provisioner, databases: Databases, clock: ManualClock
) -> None:
    find_duplicates(databases, clock, SYSTEM)
    merged(written)
    with databases.identity.read() as connection:
        settled = pair_of(connection, OLD.person_id, NEW.person_id)
    apply_run(written, make_unmerge(written, NEW.person_id, OLD.person_id, ACTOR).run_id, ACTOR)
    with databases.identity.read() as connection:
        opened = pair_of(connection, OLD.person_id, NEW.person_id)

    assert settled is not None
    assert opened is not None
    assert (settled.state, settled.settled_by, opened.state) == ("merged", ACTOR.actor_id, PairState.OPEN)
    assert find_duplicates(databases, clock, SYSTEM) == 0


def record(**changes: object) -> PairRecord:
    values = {
        "person_id": "a" * 32,
        "os_id": "1",
        "album": "123",
        "given_name": "Anna",
        "surname_prefix": "",
        "surname": "Nowak",
        "born_on": date(1905, 3, 14),
        "pesel_mac": "m1",
        "document_mac": None,
        "access": "closed",
        "first_seen_at": SEEN,
    }
    return PairRecord(**{**values, **changes})  # type: ignore[arg-type]  # a factory takes any column


def test_who_comes_back_with_a_new_album_is_said_so() -> None:
    newer = record(album="456", access="active", first_seen_at=SEEN + timedelta(days=900))

    found = evidence(record(), newer)

    assert found["came_back"] == "album 123 is closed, album 456 came later"
    assert "same_pesel" in found
    assert "m1" not in str(found)


def test_two_numbers_that_differ_speak_against_it() -> None:
    assert "different_pesel" in evidence(record(), record(pesel_mac="m2"))


def test_a_cancelled_merge_leaves_nothing_behind(written: Provisioner, databases: Databases) -> None:
    run = make_merge(written, NEW.person_id, OLD.person_id, ACTOR)

    cancel(written, run.run_id, ACTOR)

    with databases.identity.read() as connection:
        assert load_merge(connection, run.run_id) is None
    merged(written)
