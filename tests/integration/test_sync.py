"""Pick-up and noon sync over a real directory, from a file in the inbox to what a student may do."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.accounts.claim import Claims, Typed
from idp.app.installation import Idp
from idp.app.schedules import sync_of, timetable
from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.errors import BadCredentials, Conflict
from idp.jobs.syncing import InboxWatch
from idp.keys.key_files import Keys
from idp.people.values import Album
from idp.permissions import Actor, Role
from idp.provisioning import run_queries
from idp.provisioning.approval import approve
from idp.provisioning.executor import apply_run
from idp.provisioning.run import ChangeState, RunState
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.registry.settings import RegistrySettings
from tests.support.accounts import PASSWORD
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.exports import export_row, person_rows, write_export
from tests.support.imports import Registry
from tests.support.installation import installed, settings_for
from tests.support.provisioning import Eyes
from tests.support.students import find_by_os_id

EVA = Actor("e" * 32, Role.OPERATOR, "Ewa Operator", ("password",))
LATER = {"zmieniono": "2026-09-30T10:00:00Z"}
STRICT = LimitSettings(disable_floor=1, disable_share=0)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def installation(
    databases: Databases, keys: Keys, directory: PrivateSlapd, tmp_path: Path, inbox: Path, clock: ManualClock
) -> Iterator[Idp]:
    settings = settings_for(
        databases,
        directory,
        tmp_path,
        registry=RegistrySettings(inbox=inbox, inbox_settle_s=5.0),
        provisioning=ProvisioningSettings(limits=STRICT),
    )
    with installed(settings, clock) as opened:
        yield opened


def deliver(inbox: Path, name: str, rows: list[list[str]]) -> Path:
    """Put a file into the inbox as a careful sender does: written under another name, then renamed."""
    making = write_export(inbox / f".{name}.part", rows)
    written = making.stat().st_mtime_ns
    os.utime(making, ns=(written, written - 1))  # the machine's clock may not have ticked since
    return making.rename(inbox / name)


def uid_of(databases: Databases, os_id: str) -> str:
    with databases.identity.read() as connection:
        person = find_by_os_id(connection, os_id)
    assert person is not None
    return person.uid


@pytest.fixture
def watch(installation: Idp) -> InboxWatch:
    """The worker's sweep over the inbox."""
    return InboxWatch(lambda: sync_of(installation))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(name.split("-", 1)[-1] for name in names_in(folder)) if folder.exists() else []


def test_data_corrected_at_the_service_center_count_after_the_next_noon_sync(
    installation: Idp, inbox: Path, clock: ManualClock
) -> None:
    claims: Claims = installation.claims
    typed = Typed("Anna", "Nowak", date(1902, 2, 27), "0003")
    table = timetable(installation, "worker")
    deliver(inbox, "monday.csv", [export_row(nazwisko="Nowakk")])
    clock.set(datetime(2026, 10, 1, 9, 0, tzinfo=UTC))
    table.sweep()
    clock.set(datetime(2026, 10, 1, 10, 0, tzinfo=UTC))  # noon in Opole
    assert table.sweep() == 1
    with pytest.raises(BadCredentials):
        claims.match(Album("12345"), typed, "203.0.113.7")

    # The Student Service Center corrects the name; the registry's next export has it.
    deliver(inbox, "tuesday.csv", [export_row(zmieniono="2026-10-01T12:00:00+00:00")])
    clock.set(datetime(2026, 10, 2, 9, 59, tzinfo=UTC))
    with pytest.raises(BadCredentials):
        claims.match(Album("12345"), typed, "203.0.113.7")
    clock.set(datetime(2026, 10, 2, 10, 0, tzinfo=UTC))
    while table.sweep():
        pass

    claims.set_password(claims.match(Album("12345"), typed, "203.0.113.7"), PASSWORD, "pl")
    assert installation.signin_directory.bind(
        installation.settings.directory.person_dn(uid_of(installation.databases, "101")), PASSWORD
    )
    assert names(inbox / "done") == ["monday.csv", "tuesday.csv"]


def test_one_changed_row_in_a_delta_reaches_the_directory_in_one_round(
    installation: Idp, inbox: Path, databases: Databases, eyes: Eyes, watch: InboxWatch
) -> None:
    deliver(inbox, "all.csv", [export_row(), *person_rows(5)])
    assert watch() == 1

    deliver(inbox, "one.delta.csv", [export_row(nazwisko="Kowalska", **LATER)])

    assert watch() == 1
    assert eyes.value(uid_of(databases, "101"), "sn") == "Kowalska"
    assert watch() == 0


def test_a_file_in_the_making_is_left_alone_and_one_that_is_refused_says_why_beside_it(
    installation: Idp, inbox: Path, clock: ManualClock, watch: InboxWatch
) -> None:
    clock.set(datetime.now(UTC))  # the age of a file is told by the machine's clock
    write_export(inbox / ".hidden.csv", [export_row()])
    (inbox / "notes.txt").write_text("not ours")
    deliver(inbox, "bad.csv", [])
    writing = write_export(inbox / "being-written.csv", [export_row()]).open("a", encoding="utf-8")
    clock.advance(1)

    watch()

    assert names(inbox / "refused") == ["bad.csv", "bad.csv.reason.txt"]
    (reason,) = (inbox / "refused").glob("*.reason.txt")
    assert reason.read_text().startswith("no_rows: ")
    assert {"being-written.csv", ".hidden.csv", "notes.txt"} <= names_in(inbox)
    writing.close()
    watch()
    assert names(inbox / "done") == ["being-written.csv"]


def test_a_file_that_is_quiet_for_long_is_taken_whoever_has_it_open(
    installation: Idp, inbox: Path, clock: ManualClock, watch: InboxWatch
) -> None:
    clock.set(datetime.now(UTC))
    with write_export(inbox / "slow.csv", [export_row()]).open("a", encoding="utf-8"):
        clock.advance(4)
        assert watch() == 0
        clock.advance(2)
        assert watch() == 1


def test_a_file_stays_while_another_import_is_at_work(installation: Idp, inbox: Path, watch: InboxWatch) -> None:
    sync = sync_of(installation)
    deliver(inbox, "all.csv", [export_row()])

    with exclusive(installation.databases, "registry-import"):
        assert watch() == 0
        with pytest.raises(Conflict):
            sync.sync()

    assert watch() == 1


def test_what_cannot_be_carried_out_now_is_owed_and_not_forgotten(
    installation: Idp, inbox: Path, databases: Databases, eyes: Eyes, directory: PrivateSlapd, watch: InboxWatch
) -> None:
    deliver(inbox, "all.csv", [export_row()])
    with exclusive(databases, "provisioning"):
        between = watch()
    done = [watch(), watch()]

    assert (between, done) == (0, [1, 0])
    assert eyes.value(uid_of(databases, "101"), "sn") == "Nowak"


def test_what_a_worker_took_while_the_directory_was_away_is_carried_out_within_a_minute_of_its_return(
    installation: Idp, inbox: Path, databases: Databases, eyes: Eyes, directory: PrivateSlapd, clock: ManualClock
) -> None:
    dead, new = (InboxWatch(lambda: sync_of(installation)) for _ in range(2))
    taken_at = clock.timestamp()
    directory.stop()
    deliver(inbox, "all.csv", [export_row(), *person_rows(5)])
    while clock.timestamp() < taken_at + 300:
        assert dead() == 0
        clock.advance(1)
    assert names(inbox / "done") == ["all.csv"]
    for _ in range(60):
        new()
        clock.advance(1)

    directory.restart()
    back_at = clock.timestamp()
    while not eyes.value(uid_of(databases, "101"), "sn"):
        new()
        clock.advance(1)
        assert clock.timestamp() < back_at + 60

    with databases.identity.read() as connection:
        assert run_queries.count_changes(connection, run_queries.last_runs(connection)[0].run_id) == {
            ChangeState.DONE: 12
        }


def test_what_a_fellow_took_and_did_not_carry_out_is_carried_out(
    installation: Idp, inbox: Path, databases: Databases, eyes: Eyes, clock: ManualClock
) -> None:
    one, other = (InboxWatch(lambda: sync_of(installation)) for _ in range(2))
    other()
    deliver(inbox, "all.csv", [export_row()])
    with exclusive(databases, "provisioning"):
        assert one() == 0

    other()
    assert eyes.entry(uid_of(databases, "101")) is None  # the fellow may be at it
    clock.advance(20)
    other()

    assert eyes.value(uid_of(databases, "101"), "sn") == "Nowak"


def test_a_restarted_worker_leaves_an_import_by_hand_to_those_who_made_it(
    installation: Idp, databases: Databases, eyes: Eyes, clock: ManualClock, watch: InboxWatch, tmp_path: Path
) -> None:
    by_hand = Registry(databases, installation.keys, clock)
    by_hand.take(write_export(tmp_path / "by-hand.csv", [export_row()]))

    assert watch() == 0

    assert eyes.entry(uid_of(databases, "101")) is None


def test_a_bad_feed_closes_nobody_and_keeps_nobody_elses_changes_back(
    installation: Idp, inbox: Path, databases: Databases, eyes: Eyes, watch: InboxWatch
) -> None:
    deliver(inbox, "all.csv", [export_row(), *person_rows(5)])
    watch()
    suspended = {"status": "suspended", "status_od": "2026-09-25", **LATER}

    deliver(inbox, "bad.csv", [export_row(), *person_rows(5, 1000, **suspended)])
    waits = sync_of(installation).sync()
    deliver(inbox, "one.delta.csv", [export_row(nazwisko="Kowalska", **LATER)])
    watch()

    again = sync_of(installation).sync()

    assert waits.waits
    assert (again.waits, again.run_id) == (True, waits.run_id)
    assert "accounts disable: 5 of 6, limit 1" in waits.note
    uids = [uid_of(databases, str(1000 + number)) for number in range(5)]
    assert [eyes.value(uid, "idpStatus") for uid in uids] == ["active"] * 5
    assert eyes.value(uid_of(databases, "101"), "sn") == "Kowalska"

    with databases.identity.read() as connection:
        run = run_queries.load_run(connection, waits.run_id)
    assert run is not None
    approve(databases, installation.settings.provisioning, run.run_id, run.digest, EVA, installation.clock)
    assert apply_run(installation.provisioner, run.run_id, shell("ewa")).is_complete
    assert [eyes.value(uid, "idpStatus") for uid in uids] == ["suspended"] * 5


def test_a_mended_feed_makes_the_waiting_plan_stale(
    installation: Idp, inbox: Path, databases: Databases, eyes: Eyes, watch: InboxWatch
) -> None:
    sync = sync_of(installation)
    deliver(inbox, "all.csv", person_rows(5))
    watch()
    deliver(inbox, "bad.csv", person_rows(5, 1000, status="suspended", status_od="2026-09-25", **LATER))
    waits = sync_of(installation).sync()
    deliver(inbox, "good.csv", person_rows(5, zmieniono="2026-09-30T12:00:00Z"))

    sync.sync()

    with databases.identity.read() as connection:
        run = run_queries.load_run(connection, waits.run_id)
    assert run is not None
    assert run.state == RunState.STALE
    assert [eyes.value(uid_of(databases, str(1000 + number)), "idpStatus") for number in range(5)] == ["active"] * 5
