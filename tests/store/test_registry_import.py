import json
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from idp.accounts.locks import lock_account
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.errors import Conflict, RefusedSource
from idp.keys.key_files import Keys
from idp.people import queries as people
from idp.people.change_queries import queue_recompute
from idp.people.merge_queries import Merge, begin_merge, pairs_in, plan_merge
from idp.people.status import Access
from idp.people.tables import account, assigned_identifier, person, person_change
from idp.people.values import PairState
from idp.permissions import SYSTEM
from idp.registry.decisions import Decision
from idp.registry.queries import quarantine_entries
from idp.registry.reasons import Refusal
from idp.registry.reviews import review_statuses
from idp.registry.sample.export import Order, write_sample
from idp.registry.settings import RegistrySettings
from idp.registry.tables import import_run, quarantine
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.exports import FOREIGNER, export_row, export_text, person_rows, write_export
from tests.support.imports import ZONE, Registry
from tests.support.students import find_by_os_id

SECOND = {"prog_kod": "EKO-N1", "prog_nazwa": "Ekonomia", "forma": "N"}
LATER = {"zmieniono": "2026-09-20T10:00:00Z"}


@pytest.fixture
def registry(databases: Databases, keys: Keys, clock: ManualClock) -> Registry:
    return Registry(databases, keys, clock)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export.csv"


def events(databases: Databases, kind: str) -> list[dict[str, object]]:
    with databases.identity.read() as connection:
        rows = connection.execute(
            select(event_pending).where(event_pending.c.kind == kind).order_by(event_pending.c.event_id)
        )
        return [
            {"subject": row.subject, "actor": row.actor, "reason": row.reason, **json.loads(row.data)} for row in rows
        ]


def dirty_people(databases: Databases) -> set[str]:
    with databases.identity.write() as connection:
        found = set(connection.execute(select(person_change.c.person_id)).scalars())
        connection.execute(person_change.delete())
    return found


def person_id_of(databases: Databases, os_id: str) -> str:
    with databases.identity.read() as connection:
        found = find_by_os_id(connection, os_id)
    assert found is not None
    return found.person_id


def account_of_one(databases: Databases) -> tuple[bool, int]:
    """Return whether the only account is open, and its epoch."""
    with databases.identity.read() as connection:
        row = connection.execute(select(account.c.enabled, account.c.epoch)).one()
    return row.enabled, row.epoch


# --- people come in -------------------------------------------------------------------------------------------------


def test_a_person_gets_an_account_a_uid_and_an_album_on_the_ledger(registry: Registry, file: Path) -> None:
    result = registry.take(write_export(file, [export_row(nr_albumu="00123"), export_row(nr_albumu="00123", **SECOND)]))

    assert (result.rows, result.people, result.added) == (2, 1, 1)
    with registry.databases.identity.read() as connection:
        one = connection.execute(select(person)).one()
        entry = connection.execute(select(account)).one()
        names = {(row.kind, row.value): row.owner_id for row in connection.execute(select(assigned_identifier))}
    assert (entry.account_id, entry.kind, entry.claimed_at) == (one.person_id, "student", None)
    assert (entry.enabled, entry.epoch) == (False, 0)  # a guarded run opens it
    assert names == {("uid", one.uid): one.person_id, ("album", "123"): one.person_id}
    assert dirty_people(registry.databases) == {one.person_id}
    added = events(registry.databases, "person.added")
    assert [(event["subject"], event["actor"], event["line"]) for event in added] == [
        (one.person_id, "shell:tester", 2)
    ]


def test_national_ids_are_in_no_table_and_no_event(registry: Registry, file: Path) -> None:
    rows = [
        export_row(),
        export_row(os_id="7", nr_albumu="7", pesel="02022700004"),
        export_row(os_id="8", nr_albumu="8", **FOREIGNER),
    ]
    registry.take(write_export(file, rows))

    with registry.databases.identity.read() as connection:
        dump = "\n".join(
            str(tuple(row))
            for table in (person, quarantine, event_pending, import_run)
            for row in connection.execute(select(table))
        )
    assert "020227000" not in dump
    assert "AB123456" not in dump


def test_rows_of_one_person_may_stand_anywhere(registry: Registry, file: Path) -> None:
    rows = [export_row(), *person_rows(30), export_row(**SECOND)]

    registry.take(write_export(file, rows))

    with registry.databases.identity.read() as connection:
        found = find_by_os_id(connection, "101")
    assert found is not None
    assert [one.programme for one in found.enrolments] == ["EKO-N1", "INF-S1"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(
    registry: Registry, file: Path, line_end: str, mark: bytes
) -> None:
    file.write_bytes(mark + export_text([export_row(), export_row(**SECOND)], line_end).encode())

    assert registry.take(file).added == 1


# --- nothing twice --------------------------------------------------------------------------------------------------


def test_the_same_file_twice_changes_nothing_and_says_so(registry: Registry, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        write_sample(Order(people=60, seed=3), out)
    first = registry.take(file)
    before = registry.content()
    dirty_people(registry.databases)

    second = registry.take(file)

    assert second.same_file_as == first.import_id
    assert (second.added, second.changed, second.unchanged) == (0, 0, 60)
    assert second.quarantined == first.quarantined
    assert registry.content() == before
    assert dirty_people(registry.databases) == set()
    assert events(registry.databases, "person.changed") == []


def test_the_order_of_lines_does_not_matter(registry: Registry, file: Path) -> None:
    rows = [export_row(), export_row(**SECOND), *person_rows(20), *person_rows(20, prog_kod="EKO-N1")]
    registry.take(write_export(file, rows))
    before = registry.content()

    again = registry.take(write_export(file, rows[::-1]))

    assert (again.changed, again.unchanged) == (0, 21)
    assert registry.content() == before


def test_the_same_content_in_another_spelling_is_no_change(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(nazwisko="Wójcik")]))
    dirty_people(registry.databases)

    again = registry.take(write_export(file, [export_row(nazwisko="WO\u0301JCIK\u200b")]))

    assert (again.changed, again.unchanged, dirty_people(registry.databases)) == (0, 1, set())


def test_a_kill_in_the_middle_is_harmless(databases: Databases, keys: Keys, clock: ManualClock, file: Path) -> None:
    registry = Registry(databases, keys, clock, RegistrySettings(chunk_people=7))
    write_export(file, person_rows(40))

    class Killed(BaseException):
        pass

    def kill(stage: str, done: int, _total: int) -> None:
        if stage == "writing" and done >= 14:
            raise Killed

    with pytest.raises(Killed):
        registry.take(file, progress=kill)
    result = registry.take(file)

    assert (result.added, result.unchanged) == (26, 14)
    with registry.databases.identity.read() as connection:
        states = connection.execute(select(import_run.c.state).order_by(import_run.c.import_id)).scalars().all()
    assert states == ["broken_off", "done"]
    assert len(events(registry.databases, "person.added")) == 40


def test_two_imports_never_run_at_once(registry: Registry, file: Path) -> None:
    write_export(file, [export_row()])

    with exclusive(registry.databases, "registry-import"), pytest.raises(Conflict):
        registry.take(file)
    assert registry.take(file).added == 1


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_changed_surname_is_carried_through(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(), *person_rows(3)]))
    me = person_id_of(registry.databases, "101")
    dirty_people(registry.databases)

    changed = export_row(nazwisko="Kowalska", nazwisko_poprzednie="Nowak", **LATER)
    result = registry.take(write_export(file, [changed, *person_rows(3)]))

    assert (result.changed, result.unchanged) == (1, 3)
    assert dirty_people(registry.databases) == {me}
    with registry.databases.identity.read() as connection:
        assert connection.execute(select(account.c.display_name).where(account.c.account_id == me)).scalar_one() == (
            "Anna Kowalska"
        )
    event = events(registry.databases, "person.changed")[0]
    assert (event["subject"], event["fields"]) == (me, ["previous_surname", "surname"])


def test_a_suspension_closes_the_account_and_a_return_opens_it_with_the_next_run(
    registry: Registry, file: Path
) -> None:
    registry.take(write_export(file, [export_row()]))
    registry.carry_out()
    state = []
    for status, since in (("suspended", "2026-09-20"), ("active", "2026-09-25")):
        registry.take(write_export(file, [export_row(status=status, status_od=since, zmieniono=f"{since}T10:00:00Z")]))
        state.append(account_of_one(registry.databases))
        registry.carry_out()
        state.append(account_of_one(registry.databases))

    assert state == [(True, 1), (False, 2), (False, 2), (True, 3)]
    assert [event.get("access") for event in events(registry.databases, "person.changed")] == ["suspended", "active"]


def test_what_a_human_closed_stays_closed_when_something_else_changes(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row()]))
    registry.carry_out()
    lock_account(
        registry.databases, registry.clock, person_id_of(registry.databases, "101"), shell("root"), "lost telephone"
    )

    registry.take(write_export(file, [export_row(nazwisko="Kowalska", **LATER)]))
    registry.carry_out()

    assert account_of_one(registry.databases) == (False, 2)


def test_a_stale_row_is_skipped(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(**LATER)]))
    before = registry.content()

    result = registry.take(write_export(file, [export_row(nazwisko="Dawna", pesel="1")]))

    assert (result.stale_rows, result.changed, result.quarantined_rows) == (1, 0, 0)
    assert registry.content() == before


def test_an_absent_person_is_not_a_deletion(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(), *person_rows(5)]))

    result = registry.take(write_export(file, person_rows(5)))

    assert result.absent == 1
    assert person_id_of(registry.databases, "101")


def test_a_delta_changes_whom_it_names_and_nobody_else(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(), export_row(**SECOND), *person_rows(40)]))

    result = registry.take(write_export(file, [export_row(imie="Hanna", **LATER)]), delta=True)

    assert (result.changed, result.absent, result.people) == (1, 0, 1)
    with registry.databases.identity.read() as connection:
        found = find_by_os_id(connection, "101")
    assert found is not None
    assert (found.given_name, len(found.enrolments)) == ("Hanna", 2)


def test_a_first_album_goes_on_the_ledger(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(nr_albumu="", status="admitted")]))

    registry.take(write_export(file, [export_row(**LATER)]))

    with registry.databases.identity.read() as connection:
        assert people.album_owners(connection, ["12345"])["12345"].person_id == person_id_of(registry.databases, "101")


def test_album_0_of_the_first_person_is_contested_like_any_other(registry: Registry, file: Path) -> None:
    other = export_row(**FOREIGNER | {"os_id": "103", "nr_albumu": "0"})

    result = registry.take(write_export(file, [export_row(nr_albumu="0"), other]))

    assert result.quarantined == {"album_of_two": 2}


@pytest.mark.parametrize("order", [1, -1])
def test_why_an_album_is_refused_does_not_depend_on_the_order_of_rows(
    registry: Registry, file: Path, order: int
) -> None:
    of_two_minds = [export_row(nr_albumu="012345"), export_row(nr_albumu="12345", **SECOND)]
    other = export_row(**FOREIGNER | {"os_id": "103", "nr_albumu": "12345"})

    result = registry.take(write_export(file, [*of_two_minds[::order], other]))

    assert result.quarantined == {"album_zero_twin": 3}


@pytest.mark.parametrize("order", [1, -1])
def test_nor_does_it_where_another_person_has_the_album_already(registry: Registry, file: Path, order: int) -> None:
    registry.take(write_export(file, [export_row(os_id="103", **FOREIGNER)]))
    of_two_minds = [export_row(nr_albumu="012345"), export_row(nr_albumu="12345", status_od="2026-06-01")]

    result = registry.take(write_export(file, of_two_minds[::order]), delta=True)

    assert result.quarantined == {"album_of_two": 1}


def test_another_spelling_of_an_album_is_refused_also_beside_its_owners_pesel(registry: Registry, file: Path) -> None:
    """Of two new people with two spellings one becomes the owner; the same file must then say the same again."""
    write_export(file, [export_row(nr_albumu="012345"), export_row(os_id="102", nr_albumu="12345")])

    first, again = registry.take(file), registry.take(file)

    assert (first.added, first.quarantined) == (1, {"album_zero_twin": 1})
    assert (again.added, again.quarantined) == (0, {"album_zero_twin": 1})
    assert duplicates(registry.databases) == []


def test_an_album_of_the_ledger_is_not_given_again_even_if_its_owner_is_elsewhere(
    registry: Registry, file: Path
) -> None:
    registry.take(write_export(file, [export_row()]))

    result = registry.take(write_export(file, [export_row(os_id="102", **FOREIGNER)]), delta=True)
    twin = registry.take(write_export(file, [export_row(os_id="103", nr_albumu="0012345", **FOREIGNER)]), delta=True)

    assert (result.quarantined, twin.quarantined) == ({"album_of_two": 1}, {"album_zero_twin": 1})


def test_two_people_with_one_pesel_both_stay_and_a_human_is_told(registry: Registry, file: Path) -> None:
    result = registry.take(write_export(file, [export_row(), export_row(os_id="102", nr_albumu="777")]))

    assert (result.added, result.same_pesel) == (2, 1)
    told = events(registry.databases, "person.same_pesel")
    both = {person_id_of(registry.databases, "101"), person_id_of(registry.databases, "102")}
    assert {told[0]["subject"], *told[0]["others"]} == both  # type: ignore[misc]  # JSON: a list of texts


# --- records that the registry merges -------------------------------------------------------------------------------

OTHER_RECORD = {"os_id": "102", "nr_albumu": "777"}  # of the same person, by its PESEL


def merge(databases: Databases, clock: ManualClock, kept: str, merged: str) -> None:
    """Have two records count as one person, as `idp people merge` does."""
    ids = person_id_of(databases, kept), person_id_of(databases, merged)
    with databases.identity.write() as connection:
        plan_merge(connection, Merge("m1", *ids, clock.now(), "shell:tester"))
        begin_merge(connection, "m1")
        queue_recompute(connection, ids)


def duplicates(databases: Databases) -> list[tuple[set[str], dict[str, str]]]:
    with databases.identity.read() as connection:
        return [
            ({pair.person_a, pair.person_b}, dict(pair.evidence)) for pair in pairs_in(connection, [PairState.OPEN], 10)
        ]


@pytest.mark.parametrize(("kept", "merged"), [("101", "102"), ("102", "101")])
def test_rows_under_the_surviving_os_id_bring_the_other_album_and_a_suspension(
    registry: Registry, file: Path, clock: ManualClock, kept: str, merged: str
) -> None:
    databases = registry.databases
    registry.take(write_export(file, [export_row(), export_row(**OTHER_RECORD), *person_rows(2)]))
    registry.carry_out()
    suspended = {"nr_albumu": "777", "status": "suspended", "status_od": "2026-09-20", **LATER}
    early = registry.take(write_export(file, [export_row(**suspended)]), delta=True)
    merge(databases, clock, kept, merged)

    result = registry.take(file, delta=True)
    registry.carry_out()

    assert (early.quarantined, result.quarantined, result.changed) == ({"album_changed": 1}, {}, 1)
    with databases.identity.read() as connection:
        albums = {row.os_id: row.album for row in connection.execute(select(person)) if row.os_id in ("101", "102")}
        query = select(account.c.enabled).where(account.c.account_id == person_id_of(databases, kept))
        assert connection.execute(query).scalar_one() is False
        assert quarantine_entries(connection) == []
    assert albums == {"101": "12345", "102": "777"}


def test_rows_of_a_merged_person_may_carry_both_albums(registry: Registry, file: Path, clock: ManualClock) -> None:
    registry.take(write_export(file, [export_row(), export_row(**OTHER_RECORD)]))
    merge(registry.databases, clock, "101", "102")

    rows = [export_row(**LATER), export_row(**SECOND | LATER | {"nr_albumu": "777"}), export_row(**OTHER_RECORD)]
    result = registry.take(write_export(file, rows))
    again = registry.take(file)

    assert (result.quarantined, result.changed_fields) == ({}, {"programme": 1})
    assert (again.quarantined, again.changed) == ({}, 0)


def test_an_album_of_a_record_that_is_not_merged_stays_in_quarantine(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(), export_row(**OTHER_RECORD, **FOREIGNER)]))

    result = registry.take(write_export(file, [export_row(nr_albumu="777", **LATER)]), delta=True)

    assert result.quarantined == {"album_changed": 1}
    assert duplicates(registry.databases) == []


def test_album_and_pesel_of_another_record_put_both_into_the_queue_of_duplicates(
    registry: Registry, file: Path
) -> None:
    rows = [export_row(**FOREIGNER), export_row(**OTHER_RECORD)]
    registry.take(write_export(file, rows))
    both = {person_id_of(registry.databases, os_id) for os_id in ("101", "102")}

    result = registry.take(write_export(file, [export_row(nr_albumu="777", **LATER)]), delta=True)
    registry.take(file, delta=True)

    assert result.quarantined == {"album_changed": 1}
    ((pair, evidence),) = duplicates(registry.databases)
    assert (pair, evidence["same_album"]) == (both, "rows of os_id 101 and 102")
    assert len(events(registry.databases, "person.duplicate_found")) == 1


def test_a_known_person_under_an_unknown_os_id_is_taken_without_the_album_and_queued(
    registry: Registry, file: Path, clock: ManualClock
) -> None:
    registry.take(write_export(file, [export_row(**OTHER_RECORD)]))
    under_new_id = export_row(os_id="999", nr_albumu="777", status="suspended", status_od="2026-09-20", **LATER)

    result = registry.take(write_export(file, [under_new_id]), delta=True)
    again = registry.take(file, delta=True)
    both = {person_id_of(registry.databases, os_id) for os_id in ("102", "999")}

    assert (result.quarantined, result.added, again.changed) == ({}, 1, 0)
    ((pair, evidence),) = duplicates(registry.databases)
    assert pair == both
    assert {"same_album", "same_pesel"} <= set(evidence)
    with registry.databases.identity.read() as connection:
        owner = people.album_owners(connection, ["777"])["777"]
    assert owner.person_id == person_id_of(registry.databases, "102")
    merge(registry.databases, clock, "102", "999")
    registry.carry_out()
    with registry.databases.identity.read() as connection:
        assert set(connection.execute(select(account.c.enabled)).scalars()) == {False}


# --- quarantine -----------------------------------------------------------------------------------------------------


def test_a_bad_row_is_sealed_and_kept_with_reason_line_and_file(registry: Registry, file: Path, keys: Keys) -> None:
    bad = export_row(pesel="02022700004")
    result = registry.take(write_export(file, [*person_rows(3), bad]))

    with registry.databases.identity.read() as connection:
        (row,) = quarantine_entries(connection)
        stored = connection.execute(select(quarantine)).one()
    assert (row.os_id, row.programme, row.reason, row.line) == ("101", "INF-S1", "pesel_check_digit", 5)
    assert (row.file_name, stored.file_digest) == ("export.csv", result.digest)
    assert "02022700004" not in stored.sealed_row
    assert keys.unseal(stored.sealed_row).split(";")[9] == "02022700004"


def test_a_row_that_comes_bad_again_is_kept_once(registry: Registry, file: Path, clock: ManualClock) -> None:
    write_export(file, [*person_rows(3), export_row(pesel="1")])
    registry.take(file)
    clock.advance(3600)
    registry.take(file)

    with registry.databases.identity.read() as connection:
        (row,) = quarantine_entries(connection)
    assert row.last_seen_at - row.first_seen_at == clock.now() - datetime(2026, 10, 1, 10, 0, tzinfo=UTC)


def test_a_good_row_settles_what_was_quarantined(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [*person_rows(3), export_row(pesel="1")]))

    result = registry.take(write_export(file, [*person_rows(3), export_row()]))

    assert (result.added, result.resolved_rows) == (1, 1)
    with registry.databases.identity.read() as connection:
        assert quarantine_entries(connection) == []


@pytest.mark.parametrize("delta", [False, True])
def test_a_row_that_is_still_bad_is_not_resolved_and_keeps_the_time_at_which_it_was_first_seen(
    registry: Registry, file: Path, clock: ManualClock, delta: bool
) -> None:
    registry.take(write_export(file, [*person_rows(3), export_row(pesel="1")]))
    began_at = clock.now()
    clock.advance(3600)

    result = registry.take(write_export(file, [*person_rows(3), export_row(pesel="1", **LATER)]), delta=delta)

    assert (result.quarantined, result.resolved_rows) == ({"pesel_form": 1}, 0)
    with registry.databases.identity.read() as connection:
        (row,) = quarantine_entries(connection)
    assert (row.first_seen_at, row.last_seen_at) == (began_at, clock.now())


def test_a_delta_settles_only_the_programmes_that_it_names(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(status="?"), export_row(**SECOND | {"status": "?"})]))

    registry.take(write_export(file, [export_row()]), delta=True)

    with registry.databases.identity.read() as connection:
        assert [row.programme for row in quarantine_entries(connection)] == ["EKO-N1"]


def test_a_row_of_a_known_person_quarantined_is_looked_at_again_when_the_old_one_returns(
    registry: Registry, file: Path
) -> None:
    registry.take(write_export(file, [export_row()]))
    registry.take(write_export(file, [export_row(status="?", **LATER)]), delta=True)

    result = registry.take(write_export(file, [export_row()]))

    assert (result.changed, result.resolved_rows) == (0, 1)


def test_rows_that_name_nobody_go_when_a_full_file_no_longer_has_them(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, [export_row(), export_row(os_id="x")]))

    result = registry.take(write_export(file, [export_row()]))

    assert result.resolved_rows == 1


def test_a_row_that_no_file_brings_again_is_purged_in_time(
    databases: Databases, keys: Keys, file: Path, clock: ManualClock
) -> None:
    registry = Registry(databases, keys, clock, RegistrySettings(newest_row_days=200))
    registry.take(write_export(file, [export_row(), export_row(os_id="55", status="?")]))
    for days, left in ((89, 1), (2, 0)):
        clock.advance(days * 86_400)
        registry.take(write_export(file, [export_row()]))
        with registry.databases.identity.read() as connection:
            assert len(quarantine_entries(connection)) == left


def test_a_stray_quotation_mark_costs_one_row_and_not_those_after_it(registry: Registry, file: Path) -> None:
    text = export_text([export_row(), *person_rows(5)])
    file.write_text(text.replace(";Anna;", ';"Anna;', 1), encoding="utf-8")

    result = registry.take(file)

    assert (result.added, result.quarantined) == (5, {"quoting": 1})


def test_a_mark_that_closes_in_a_later_row_swallows_none(registry: Registry, file: Path) -> None:
    rows = person_rows(6)
    for place, name in ((1, '"Ewa'), (4, 'Ola"')):
        rows[place][2] = name
    file.write_text("\n".join([export_text([]).strip(), *(";".join(row) for row in rows)]) + "\n", encoding="utf-8")

    result = registry.take(file)

    assert (result.added, result.quarantined) == (4, {"quoting": 1, "name_characters": 1})


def test_every_labelled_case_of_the_sample_becomes_what_its_label_says(registry: Registry, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        labels = write_sample(Order(people=300, seed=11), out)

    result = registry.take(file)

    assert result.added == 300
    with registry.databases.identity.read() as connection:
        kept = {(row.line, row.reason) for row in quarantine_entries(connection)}
        taken = {row.os_id for row in connection.execute(select(person.c.os_id))}
    assert kept == {(label.line, label.reason) for label in labels if label.outcome == "quarantined"}
    assert {label.os_id for label in labels if label.outcome == "accepted"} <= taken


def test_the_second_day_of_a_sample_becomes_what_its_labels_say(
    registry: Registry, file: Path, clock: ManualClock
) -> None:
    order = Order(people=300, seed=11)
    with file.open("w", encoding="utf-8", newline="") as out:
        write_sample(order, out)
    registry.take(file)
    clock.advance(86_400)
    with file.open("w", encoding="utf-8", newline="") as out:
        labels = write_sample(Order(people=300, seed=11, day=2), out)

    result = registry.take(file)

    outcomes = {label.case: label for label in labels}
    assert result.changed == sum(label.outcome == "accepted" for name, label in outcomes.items() if name != "mended")
    assert (result.added, result.stale_rows) == (1, 1)
    with registry.databases.identity.read() as connection:
        kept = {(row.line, row.reason) for row in quarantine_entries(connection)}
        access = {row.os_id: row.access for row in connection.execute(select(person.c.os_id, person.c.access))}
    assert kept == {(label.line, label.reason) for label in labels if label.outcome == "quarantined"}
    assert access[outcomes["suspended"].os_id] == "suspended"
    assert access[outcomes["returned"].os_id] == "active"


# --- files refused whole --------------------------------------------------------------------------------------------


def test_a_refusal_is_an_event_and_nothing_is_taken(registry: Registry, file: Path) -> None:
    file.write_bytes(export_text([export_row(imie="Łucja")]).encode("cp1250"))

    with pytest.raises(RefusedSource):
        registry.take(file)

    assert registry.content()["person"] == []
    (event,) = events(registry.databases, "registry.refused")
    assert (event["reason"], event["file"], event["actor"]) == (Refusal.NOT_UTF8, "export.csv", "shell:tester")


def test_a_missing_file_or_folder_is_refused(registry: Registry, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(RefusedSource) as refused:
            registry.take(path)
        assert refused.value.reason == Refusal.NOT_READABLE


def test_a_file_name_with_control_characters_reaches_no_terminal(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[2J\udcff.csv"

    registry.take(write_export(file, [export_row(pesel="1"), *person_rows(2)]))

    with registry.databases.identity.read() as connection:
        (row,) = quarantine_entries(connection)
    assert row.file_name == "a\ufffd[2J\ufffd.csv"


def test_shifted_columns_refuse_the_file(registry: Registry, file: Path) -> None:
    rows = [[row[-1], *row[:-1]] for row in person_rows(30)]

    with pytest.raises(RefusedSource) as refused:
        registry.take(write_export(file, rows))

    assert refused.value.reason == Refusal.TOO_MANY_BAD_ROWS
    assert registry.content() == {
        "person": [],
        "enrolment": [],
        "account": [],
        "assigned_identifier": [],
        "quarantine": [],
    }


def test_a_full_file_with_too_few_people_is_refused_and_a_delta_is_not(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, person_rows(100)))
    write_export(file, person_rows(90))

    with pytest.raises(RefusedSource) as refused:
        registry.take(file)

    assert refused.value.reason == Refusal.FEWER_PEOPLE
    assert registry.take(file, delta=True).unchanged == 90
    assert registry.take(file, accept=(Refusal.FEWER_PEOPLE,)).absent == 10


def test_a_column_that_empties_refuses_the_file(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, person_rows(100)))

    with pytest.raises(RefusedSource) as refused:
        registry.take(write_export(file, person_rows(100, email_prywatny="", zmieniono=LATER["zmieniono"])))

    assert refused.value.reason == Refusal.COLUMN_EMPTIED


def test_a_delta_with_a_column_that_empties_is_refused_too(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, person_rows(300)))
    rows = person_rows(100, email_prywatny="", zmieniono=LATER["zmieniono"])

    with pytest.raises(RefusedSource) as refused:
        registry.take(write_export(file, rows), delta=True)

    assert refused.value.reason == Refusal.COLUMN_EMPTIED
    assert registry.take(write_export(file, rows[:99]), delta=True).changed == 99


def test_a_delta_of_new_people_may_leave_a_column_empty(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, person_rows(300)))
    people = person_rows(200, first=5000, telefon="", email_prywatny="", zmieniono=LATER["zmieniono"])

    assert registry.take(write_export(file, people), delta=True).added == 200


def test_a_file_that_strikes_off_a_tenth_of_the_students_is_refused_and_may_be_accepted(
    registry: Registry, file: Path
) -> None:
    registry.take(write_export(file, person_rows(300)))
    before = registry.content()
    struck_off = {"status": "cancelled", "status_od": "2026-09-30", **LATER}
    write_export(file, [*person_rows(30, 1000, **struck_off), *person_rows(270, 1030)])

    with pytest.raises(RefusedSource, match="30 of 300 known people would lose student rights") as refused:
        registry.take(file)

    assert refused.value.reason == Refusal.TOO_MANY_STUDENT_LOSSES
    assert registry.content() == before
    assert registry.take(file, accept=(Refusal.TOO_MANY_STUDENT_LOSSES,)).changed == 30


def test_names_in_the_wrong_columns_refuse_the_file(registry: Registry, file: Path) -> None:
    registry.take(write_export(file, person_rows(100)))
    before = registry.content()

    with pytest.raises(RefusedSource) as refused:
        registry.take(write_export(file, person_rows(100, imie="Nowak", nazwisko="Anna", zmieniono=LATER["zmieniono"])))

    assert refused.value.reason == Refusal.TOO_MANY_CHANGES
    assert registry.content() == before


def test_albums_rotated_by_one_refuse_the_file(registry: Registry, file: Path) -> None:
    rows = person_rows(100)
    registry.take(write_export(file, rows))
    albums = [row[1] for row in rows]
    for row, album in zip(rows, albums[1:] + albums[:1], strict=True):
        row[1] = album

    with pytest.raises(RefusedSource, match="album_changed"):
        registry.take(write_export(file, rows))


def test_letters_lost_to_question_marks_refuse_the_file(registry: Registry, file: Path) -> None:
    with pytest.raises(RefusedSource, match="name_question_mark"):
        registry.take(write_export(file, person_rows(100, nazwisko="Wi?niewska")))


def test_a_human_may_accept_a_limit_and_bad_rows_still_stay_out(registry: Registry, file: Path) -> None:
    rows = [*person_rows(30, nazwisko="Wi?niewska"), export_row()]

    result = registry.take(write_export(file, rows), accept=(Refusal.TOO_MANY_BAD_ROWS,))

    assert (result.added, result.quarantined_rows) == (1, 30)


def test_a_file_written_to_while_it_is_read_is_refused(registry: Registry, file: Path) -> None:
    write_export(file, person_rows(20))

    def disturb(stage: str, _done: int, _total: int) -> None:
        if stage == "checking":
            with file.open("ab") as stream:
                stream.write(b"more\n")

    with pytest.raises(RefusedSource) as refused:
        registry.take(file, progress=disturb)

    assert refused.value.reason == Refusal.CHANGED_WHILE_READ
    assert registry.content()["person"] == []


# --- what time alone changes ----------------------------------------------------------------------------------------


def test_a_grace_period_ends_without_a_file(registry: Registry, file: Path, clock: ManualClock) -> None:
    registry.take(write_export(file, [export_row(status="cancelled", status_od="2026-09-25"), *person_rows(2)]))
    me = person_id_of(registry.databases, "101")
    registry.carry_out()

    def sweep() -> int:
        return review_statuses(registry.databases, registry.policy, clock, ZONE, SYSTEM)

    assert sweep() == 0
    clock.set(datetime(2026, 10, 8, 22, 1, tzinfo=UTC))  # 9 October in Opole
    assert sweep() == 1
    assert sweep() == 0

    registry.carry_out()  # of whom it marked
    with registry.databases.identity.read() as connection:
        row = connection.execute(select(account.c.enabled, account.c.epoch).where(account.c.account_id == me)).one()
        stored = connection.execute(select(person.c.access, person.c.review_on).where(person.c.person_id == me)).one()
    assert (row.enabled, row.epoch) == (False, 2)
    assert (stored.access, stored.review_on) == (Access.SUSPENDED, None)
    (event,) = events(registry.databases, "person.changed")
    assert (event["reason"], event["access"]) == ("struck_off", "suspended")


def test_31_october_ends_student_rights_and_closes_nothing_yet(
    registry: Registry, file: Path, clock: ManualClock
) -> None:
    registry.take(write_export(file, [export_row(status="graduated_diploma", status_od="2026-07-01")]))
    registry.carry_out()

    clock.set(datetime(2026, 11, 1, 0, 1, tzinfo=UTC))
    review_statuses(registry.databases, registry.policy, clock, ZONE, SYSTEM)
    registry.carry_out()

    assert account_of_one(registry.databases) == (True, 1)
    with registry.databases.identity.read() as connection:
        assert connection.execute(select(person.c.review_on)).scalar_one() == date(2027, 4, 30)
    (event,) = events(registry.databases, "person.changed")
    assert event["affiliations"] == ["alum"]


def test_settings_of_limits_are_obeyed(databases: Databases, keys: Keys, clock: ManualClock, file: Path) -> None:
    strict = Registry(databases, keys, clock, RegistrySettings(bad_rows_floor=0, bad_rows_share=0.0))

    with pytest.raises(RefusedSource):
        strict.take(write_export(file, [*person_rows(50), export_row(pesel="1")]))


def test_decisions_survive_their_way_through_the_spool() -> None:
    # The spool holds what `decide` returned; a field that msgspec could not bring back would be lost silently.
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(Decision(os_id="1")), type=Decision) == Decision(os_id="1")
