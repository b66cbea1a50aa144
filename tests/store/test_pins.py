"""Pins, overrides, cursors, targets' keys, pairs and merges, and where records came from: on both databases."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.change_queries import changes_among, queue_recompute
from idp.people.merge_queries import (
    Merge,
    Pair,
    begin_merge,
    end_merge,
    forget_planned_merge,
    groups_alike,
    kept_for,
    load_merge,
    merges_in_force,
    note_pairs,
    pair_of,
    pairs_in,
    plan_merge,
    put_back_merge,
    settle_pair,
)
from idp.people.values import MergeState, PairState
from idp.provisioning.pin_queries import (
    drop,
    keep,
    kept_among,
    latest_overrides,
    pins_of_run,
)
from idp.provisioning.pins import Kept, Override, Pin
from idp.provisioning.provenance_queries import chosen_at, origin_of_person, origins_of_programmes, written_of
from idp.provisioning.state_queries import (
    Desired,
    cursor_of,
    forget_remote_ids,
    keep_cursor,
    keep_remote_ids,
    note_shown,
    people_of_remote_ids,
    remote_ids_among,
    set_desired,
    without_remote_id,
)
from idp.provisioning.target_states import Presence
from tests.support.clock import ManualClock
from tests.support.exports import FOREIGNER, export_row, write_export
from tests.support.imports import Registry
from tests.support.students import SEEN, Student, add_student, find_by_os_id

ANNA, JAN, EWA = "a" * 32, "b" * 32, "c" * 32


def pin(person_id: str = ANNA, key: str = "surname", **changes: object) -> Pin:
    one = Pin("ldap", person_id, key, {"sn": ("Żak",), "mail": ()}, {"sn": ("Nowak",)}, "r1", SEEN)
    return replace(one, **changes)  # type: ignore[arg-type]  # a factory takes any column


def override(person_id: str = ANNA, **changes: object) -> Override:
    one = Override("ldap", person_id, "cn", ("Ewa Żak",), (), "adopt", SEEN)
    return replace(one, **changes)  # type: ignore[arg-type]


def test_pins_and_overrides_come_back_by_person_run_and_time(databases: Databases) -> None:
    with databases.identity.write() as connection:
        keep(connection, Kept((pin(), pin(key="access")), (override(JAN),)))

    with databases.identity.read() as connection:
        annas, jans = Kept((pin(key="access"), pin())), Kept(overrides=(override(JAN),))
        assert kept_among(connection, [ANNA, EWA]) == {ANNA: annas}
        assert kept_among(connection, [JAN, ANNA]) == {ANNA: annas, JAN: jans}
        assert {one.key for one in pins_of_run(connection, "r1")} == {"access", "surname"}
        assert latest_overrides(connection, 10) == [override(JAN)]


def test_a_newer_pin_replaces_the_older_and_is_not_dropped_in_its_name(databases: Databases) -> None:
    newer = pin(kept={"sn": ("Zając",)}, run_id="r2")
    with databases.identity.write() as connection:
        keep(connection, Kept((pin(),), (override(),)))
        keep(connection, Kept((newer,), (override(kept=("Ewa",)),)))
        drop(connection, [Kept((pin(),), (override(),))])

    with databases.identity.read() as connection:
        assert kept_among(connection, [ANNA]) == {ANNA: Kept((newer,), (override(kept=("Ewa",)),))}
    with databases.identity.write() as connection:
        drop(connection, [Kept((newer,), (override(kept=("Ewa",)),))])
        assert kept_among(connection, [ANNA]) == {}


def test_a_cursor_is_kept_per_target(databases: Databases) -> None:
    with databases.identity.write() as connection:
        keep_cursor(connection, "ldap", "one", SEEN)
        keep_cursor(connection, "ldap", "two", SEEN)
        found, other = cursor_of(connection, "ldap"), cursor_of(connection, "keycloak")

    assert (found, other) == ("two", None)


def test_a_targets_key_leads_to_the_person_until_it_is_forgotten(databases: Databases) -> None:
    with databases.identity.write() as connection:
        desires = [Desired(ANNA, "d1", Presence.REQUIRED), Desired(JAN, "d2", Presence.REQUIRED)]
        set_desired(connection, "ldap", desires, SEEN)
        note_shown(connection, "ldap", [(ANNA, "d1"), (JAN, "d2")], SEEN)
        keep_remote_ids(connection, "ldap", [(ANNA, "uuid-1")])

        assert remote_ids_among(connection, "ldap", [ANNA, JAN, EWA]) == {ANNA: "uuid-1", JAN: None}
        assert people_of_remote_ids(connection, "ldap", ["uuid-1", "uuid-2"]) == {"uuid-1": ANNA}
        assert without_remote_id(connection, "ldap") == [JAN]
        forget_remote_ids(connection, "ldap", ["uuid-1"])
        assert people_of_remote_ids(connection, "ldap", ["uuid-1"]) == {}


def test_a_merge_is_in_force_from_its_beginning_to_its_end(databases: Databases) -> None:
    merge = Merge("m1", ANNA, JAN, SEEN, "shell:tester")
    in_force = replace(merge, state=MergeState.IN_FORCE)
    with databases.identity.write() as connection:
        plan_merge(connection, merge)
        assert (merges_in_force(connection), kept_for(connection, [JAN])) == ([], [])
        assert (begin_merge(connection, "m1"), begin_merge(connection, "m1")) == (True, False)
        assert (merges_in_force(connection), kept_for(connection, [JAN, EWA])) == ([in_force], [ANNA])
        queue_recompute(connection, [JAN])
        assert changes_among(connection, [ANNA, JAN]).keys() == {ANNA, JAN}
        assert (end_merge(connection, "m1", "m2"), end_merge(connection, "m1", "m3")) == (True, False)
        assert merges_in_force(connection) == []
        assert load_merge(connection, "m1") == replace(merge, state=MergeState.ENDED, ended_run_id="m2")


def test_a_run_that_wrote_nothing_puts_its_merge_back(databases: Databases) -> None:
    merge = Merge("m1", ANNA, JAN, SEEN, "shell:tester")
    with databases.identity.write() as connection:
        plan_merge(connection, merge)
        begin_merge(connection, "m1")
        assert put_back_merge(connection, "m1")
        assert load_merge(connection, "m1") == merge
        begin_merge(connection, "m1")
        end_merge(connection, "m1", "m2")
        assert not put_back_merge(connection, "m3")
        assert put_back_merge(connection, "m2")
        assert merges_in_force(connection) == [replace(merge, state=MergeState.IN_FORCE)]


def test_a_cancelled_run_leaves_no_planned_merge(databases: Databases) -> None:
    with databases.identity.write() as connection:
        for number, run_id in enumerate(("m1", "m2")):
            plan_merge(connection, Merge(run_id, ANNA, (JAN, EWA)[number], SEEN, "shell:tester"))
        begin_merge(connection, "m2")
        for run_id in ("m1", "m2"):
            forget_planned_merge(connection, run_id)
        assert load_merge(connection, "m1") is None
        assert [one.began_run_id for one in merges_in_force(connection)] == ["m2"]


def test_nobody_is_merged_into_two_people_at_once(databases: Databases) -> None:
    with databases.identity.write() as connection:
        plan_merge(connection, Merge("m1", ANNA, JAN, SEEN, "x"))
        plan_merge(connection, Merge("m2", EWA, JAN, SEEN, "x"))
        begin_merge(connection, "m1")

    with pytest.raises(IntegrityError), databases.identity.write() as connection:
        begin_merge(connection, "m2")


def test_a_pair_is_noted_once_and_stays_settled(databases: Databases) -> None:
    pair = Pair(ANNA, JAN, PairState.OPEN, {"same_name": "Anna Żak"}, SEEN, None, "")
    with databases.identity.write() as connection:
        assert note_pairs(connection, [pair]) == [pair]
        assert note_pairs(connection, [replace(pair, person_a=JAN, person_b=ANNA)]) == []
        assert pairs_in(connection, (PairState.OPEN,), 10) == [pair]
        assert settle_pair(connection, JAN, ANNA, PairState.DISMISSED, SEEN, "x") == 1
        assert note_pairs(connection, [pair]) == []
        settled = pair_of(connection, ANNA, JAN)

    assert settled is not None
    assert (settled.state, settled.settled_by, settled.settled_at) == (PairState.DISMISSED, "x", SEEN)


def test_people_of_one_name_born_on_one_day_are_a_group(databases: Databases, keys: Keys) -> None:
    for number, person_id in enumerate((ANNA, JAN, EWA)):
        name = "Nowak" if person_id == EWA else "Żak"
        add_student(databases, keys, Student(person_id, album=str(100 + number), surname=name))

    with databases.identity.read() as connection:
        (group,) = groups_alike(connection)

    assert {one.person_id for one in group} == {ANNA, JAN}


def test_each_programme_leads_to_the_line_it_was_last_taken_from(
    databases: Databases, keys: Keys, clock: ManualClock, tmp_path: Path
) -> None:
    registry = Registry(databases, keys, clock)
    first = export_row(**FOREIGNER)
    write_export(
        tmp_path / "full.csv", [export_row(os_id="5", nr_albumu="5", **FOREIGNER | {"dok_numer": "ZZ12345"}), first]
    )
    registry.take(tmp_path / "full.csv")
    clock.advance(timedelta(hours=1).total_seconds())
    second = export_row(
        **FOREIGNER | {"prog_kod": "EKO-N1", "prog_nazwa": "Ekonomia", "zmieniono": "2026-09-20T10:00:00Z"}
    )
    write_export(tmp_path / "delta.csv", [second])
    registry.take(tmp_path / "delta.csv", delta=True)

    with databases.identity.read() as connection:
        person = find_by_os_id(connection, "101")
        assert person is not None
        programmes = origins_of_programmes(connection, person.person_id)
        origin = origin_of_person(connection, person.person_id)
        assert (chosen_at(connection, person.person_id), written_of(connection, person.person_id)) == (None, [])

    assert [(one.programme, one.origin.file_name, one.origin.line) for one in programmes] == [
        ("EKO-N1", "delta.csv", 2),
        ("INF-S1", "full.csv", 3),
    ]
    assert origin is not None
    assert (origin.file_name, origin.taken_at) == ("delta.csv", clock.now())
