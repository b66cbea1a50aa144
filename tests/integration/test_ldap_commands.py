"""`idp plan`, `idp apply`, `idp status` as somebody types them, over a real directory."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from idp.db import workers
from idp.db.databases import Databases, open_databases
from idp.db.settings import StoreSettings
from idp.errors import IdpError, NotFound, StaleVersion, TargetUnavailable
from idp.jobs import schedule_queries as schedules
from idp.keys.key_files import Keys
from tests.support.provisioning import add_students, change_person, change_status
from tests.support.students import Student
from tests.support.terminal import Terminal

ANNA = Student("a" * 20, album="123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 20, album="200", given_name="Jan", surname="[red]Beek[/]")


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, directory, monkeypatch)


@pytest.fixture
def databases(tmp_path: Path, terminal: Terminal) -> Iterator[Databases]:
    """The databases of that installation."""
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    yield databases
    databases.close()


def test_a_plan_is_shown_and_then_applied_as_it_was_shown(terminal: Terminal, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [ANNA, JAN])

    shown = terminal.run("plan")
    plan = terminal.json("plan")
    applied = terminal.json("apply", plan["run_id"])

    assert "ldap: 2 create (0 entries now)" in shown
    assert (plan["total"], plan["limit_violations"], plan["targets"]["ldap"]["counts"]) == (2, [], {"create": 2})
    (anna,) = (change for change in plan["changes"] if change["name"] == ANNA.uid)
    assert anna["attributes"]["sn"] == {"before": [], "after": ["Kowalska"]}
    assert (applied["run_id"], applied["digest"], applied["done"], applied["is_complete"]) == (
        plan["run_id"],
        plan["digest"],
        2,
        True,
    )
    assert terminal.json("plan")["total"] == 0
    assert "nothing to change" in terminal.run("plan")


def test_an_update_is_shown_attribute_by_attribute(terminal: Terminal, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [ANNA, JAN])
    assert "2 written and checked." in terminal.run("apply")
    before = terminal.json("runs", "list")
    assert "nothing to change" in terminal.run("apply")
    assert terminal.json("apply")["done"] == 0
    assert terminal.json("runs", "list") == before  # a run without a change is not kept
    change_person(databases, ANNA.person_id, surname="Nowak")
    change_person(databases, JAN.person_id, surname="[bold]Bek[/]")

    shown = terminal.run("plan")
    changes = [line.split() for line in shown.splitlines()]

    assert ["sn", "Kowalska", "Nowak"] in changes
    assert ["sn", "[red]Beek[/]", "[bold]Bek[/]"] in changes
    assert "Shown: 1 of 2" in terminal.run("plan", "--limit", "1")


def test_a_plan_over_a_limit_says_what_to_do_and_writes_nothing(
    terminal: Terminal, databases: Databases, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_PROVISIONING__LIMITS__DISABLE_FLOOR", "1")
    add_students(databases, keys, [ANNA, JAN])
    terminal.run("apply")
    for student in (ANNA, JAN):
        change_status(databases, student.person_id, "suspended")

    refused = terminal.result("apply")
    (plan,) = [run for run in terminal.json("runs", "list") if run["state"] == "awaiting_approval"]
    beside = terminal.result("plan", "--json")
    monkeypatch.setenv("IDP_PROVISIONING__LIMITS__DISABLE_SHARE", "1")
    again = terminal.result("apply", plan["run_id"])
    status = terminal.run("status")

    assert refused.exit_code == 1
    assert "ldap disable: 2 of 2, limit 1" in refused.stderr
    assert (beside.exit_code, json.loads(beside.stdout)["total"]) == (1, 0)  # left to those who approve
    assert [one["run_id"] for one in json.loads(beside.stdout)["awaiting_approval"]] == [plan["run_id"]]
    assert [
        (one["target"], one["kind"], one["count"], one["population"], one["limit"]) for one in plan["limit_violations"]
    ] == [("accounts", "disable", 2, 2, 1), ("ldap", "disable", 2, 2, 1)]
    assert "must approve it" in status
    assert plan["run_id"] in status
    assert again.exit_code == 1  # it was over the limits that held when it was made
    assert f"idp runs approve {plan['run_id']} --as" in again.stderr
    assert terminal.json("status")["targets"]["ldap"]["entries"] == 2


def test_a_plan_whose_world_moved_is_refused(terminal: Terminal, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [ANNA])
    plan = terminal.json("plan")
    change_person(databases, ANNA.person_id, surname="Nowak")

    assert isinstance(terminal.error("apply", plan["run_id"]), StaleVersion)
    assert isinstance(terminal.error("apply", "no-such-plan"), NotFound)


def test_an_undo_says_whom_it_came_too_late_for_and_why(terminal: Terminal, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [ANNA, JAN])
    terminal.run("apply")
    for student in (ANNA, JAN):
        change_person(databases, student.person_id, surname="Nowak")
    wrong = terminal.json("apply")["run_id"]
    undo = terminal.json("undo", wrong)["run_id"]
    change_person(databases, JAN.person_id, surname="Bek")
    terminal.run("apply")

    late = terminal.result("apply", undo)

    assert late.exit_code == 1
    assert "1 written and checked, 1 left as they are: this undo came too late for them." in late.stdout
    assert f"ldap update {JAN.uid}: changed since this undo was planned" in late.stdout
    again = json.loads(terminal.result("apply", undo, "--json").stdout)
    assert (again["left_as_they_are"], again["left_to_next_plan"], again["is_complete"]) == (1, 0, False)


def test_an_undo_that_leaves_an_entry_says_how_many_and_where_to_read_why(
    terminal: Terminal, databases: Databases, keys: Keys
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    terminal.run("apply")
    for student in (ANNA, JAN):
        change_person(databases, student.person_id, surname="Nowak")
    wrong = terminal.json("apply")["run_id"]
    change_person(databases, JAN.person_id, surname="Bek")
    terminal.run("apply")

    planned = terminal.run("undo", wrong)
    undo = terminal.json("runs", "list")[0]["run_id"]
    applied = terminal.result("apply", undo)

    said = f"Not undone, wholly or in part: 1 entry. Read why with: idp runs show {undo}"
    assert said in planned
    assert said in applied.stdout
    assert applied.exit_code == 1
    assert "not undone" in terminal.run("runs", "show", undo)
    again = json.loads(terminal.result("apply", undo, "--json").stdout)
    assert (again["not_undone"], again["is_complete"]) == (1, False)


def test_status_says_what_is_put_off(terminal: Terminal, databases: Databases) -> None:
    now = Clock().now()
    with databases.identity.write() as connection:
        for due_at, state, note in (
            (now - timedelta(hours=1), schedules.RUNNING, "target_unavailable: gone"),
            (now - timedelta(minutes=1), schedules.FAILED, "target_unavailable: still gone"),
        ):
            finished_at = None if state == schedules.RUNNING else due_at
            firing = schedules.Firing("sync", due_at, state, "w", now.timestamp(), 1, due_at, finished_at, "", note)
            assert schedules.begin_firing(connection, firing)

    (line,) = (line for line in terminal.run("status").splitlines() if line.split()[:1] == ["sync"])
    assert "delayed, a worker tries it again" in line
    assert "target_unavailable: gone" in line
    assert [each["state"] for each in terminal.json("schedules", "list")] == ["", "delayed", ""]


def test_status_says_where_everything_stands(
    terminal: Terminal, databases: Databases, keys: Keys, directory: PrivateSlapd
) -> None:
    before = terminal.json("status")
    add_students(databases, keys, [ANNA, JAN])
    between = terminal.json("status")
    terminal.run("apply")
    after = terminal.json("status")

    assert (before["people"], before["last_run"], before["worker_seen_at"]) == ({}, None, None)
    assert (between["people"], between["changed_people"]) == ({"active": 2}, 2)
    assert (after["changed_people"], after["last_run"]["changes"], after["student_accounts"]) == (0, {"done": 2}, 2)
    for target in ("accounts", "ldap"):
        found = after["targets"][target]
        assert (found["is_reachable"], found["error"], found["entries"], found["pending"]) == (True, "", 2, 0)
    assert "answers; 2 entries, 0 to be written" in terminal.run("status")
    directory.stop()
    assert terminal.json("status")["targets"]["ldap"]["is_reachable"] is False
    assert "does not answer" in terminal.run("status")


def test_status_check_prints_only_problems(terminal: Terminal, databases: Databases) -> None:
    lonely = terminal.result("status", "--check")
    with databases.sessions.write() as connection:
        workers.sign(connection, "w", Clock().timestamp(), 600.0)
    well = terminal.result("status", "--check")

    assert (lonely.exit_code, lonely.output.partition(".")[0]) == (1, "No worker is running")
    assert (well.exit_code, well.output) == (0, "")


def test_what_a_command_warns_of_is_one_plain_line_that_names_the_target(
    terminal: Terminal, databases: Databases, keys: Keys, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA])
    terminal.run("apply")
    directory.stop()

    locked = terminal.result("accounts", "lock", ANNA.uid, "--reason", "stolen password")

    assert locked.exit_code == 0
    first, *rest = locked.stderr.splitlines()
    assert first.startswith("Warning: target failed: ldap: ldap://")
    assert [line.partition(":")[0] for line in rest] == ["A target could not be written. The worker tries again"]
    for words in (("drift",), ("apply",), ("accounts", "unlock", ANNA.uid)):
        assert "{" not in terminal.result(*words).output
    directory.restart()


def test_a_directory_that_is_down_is_said_so(
    terminal: Terminal, databases: Databases, keys: Keys, directory: PrivateSlapd
) -> None:
    add_students(databases, keys, [ANNA])
    directory.stop()

    error = terminal.error("plan")

    assert isinstance(error, IdpError)
    assert isinstance(error, TargetUnavailable)
    directory.restart()
    assert terminal.json("apply")["done"] == 1
