"""`idp runs` as somebody types it: look at a plan over the limits, export it, and sign in to approve it."""

import csv
import io
import json
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.app.installation import Idp
from idp.app.settings import load_settings
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import BadCredentials, Conflict, InvalidInput, NotAllowed, NotFound
from idp.keys.key_files import Keys
from idp.permissions import Role
from tests.support.accounts import PASSWORD
from tests.support.actors import shell
from tests.support.installation import installed
from tests.support.provisioning import add_students, change_status
from tests.support.students import Student
from tests.support.terminal import Terminal

WRONG = "not the password 1"
ANNA = Student("a" * 20, album="123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 20, album="200", given_name="Jan", surname="Beek")


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("IDP_PROVISIONING__LIMITS__DISABLE_FLOOR", "1")
    return Terminal(tmp_path, directory, monkeypatch)


@pytest.fixture
def installation(terminal: Terminal) -> Iterator[Idp]:
    with installed(load_settings(), Clock()) as opened:
        yield opened


@pytest.fixture
def databases(installation: Idp) -> Databases:
    return installation.databases


@pytest.fixture
def waiting(terminal: Terminal, databases: Databases, installation: Idp) -> str:
    """The number of a plan that suspends two people where one may be."""
    add_students(databases, installation.keys, [ANNA, JAN])
    terminal.run("apply")
    for student in (ANNA, JAN):
        change_status(databases, student.person_id, "suspended")
    run: str = terminal.json("plan")["run_id"]
    return run


def join(installation: Idp, mail: str, role: Role) -> None:
    """Make a member of staff who has joined."""
    link = installation.staff_service.invite(mail, role, "Ewa", "Kowal", shell("root"))
    installation.staff_service.join(link.rsplit("/", 1)[-1], "Ewa", "Kowal", PASSWORD, "en")


def approve(terminal: Terminal, run: str, name: str, password: str = PASSWORD) -> BaseException | None:
    words = ("runs", "approve", run, "--as", name, "--password-stdin")
    return terminal.result(*words, typed=f"{password}\n").exception


def test_a_plan_that_is_shown_does_not_tell_to_look_at_it(terminal: Terminal, waiting: str) -> None:
    shown = terminal.result("runs", "show", waiting)

    assert f"If it is right, one person must approve exactly this plan: idp runs approve {waiting}" in shown.output
    assert "idp runs show" not in shown.output


def test_a_password_is_read_from_a_pipe_without_a_warning_of_python(terminal: Terminal, waiting: str) -> None:
    words = [sys.executable, "-m", "idp", "runs", "approve", waiting, "--as", "nobody"]

    ended = subprocess.run(
        words, input="no password\n", capture_output=True, text=True, check=False, start_new_session=True
    )

    assert ended.returncode == 1
    assert "incorrect name or password" in ended.stderr
    assert "Warning" not in ended.stderr


def test_somebody_signs_in_for_a_plan_and_it_is_carried_out(
    terminal: Terminal, installation: Idp, waiting: str
) -> None:
    join(installation, "ewa@po.edu.pl", Role.OPERATOR)

    shown = terminal.run("runs", "show", waiting)
    refused = approve(terminal, waiting, "ewa@po.edu.pl", WRONG)
    approved = approve(terminal, waiting, "ewa@po.edu.pl")
    again = approve(terminal, waiting, "ewa@po.edu.pl")

    assert "accounts disable: 2 of 2, limit 1" in shown
    assert "nobody; 1 needed" in shown
    assert isinstance(refused, BadCredentials)
    assert approved is None
    assert isinstance(again, Conflict)
    assert terminal.json("apply", waiting)["is_complete"] is True
    assert "Ewa Kowal" in terminal.run("runs", "show", waiting)
    assert waiting in terminal.run("runs", "list")


def test_a_refused_sign_in_says_what_to_do_and_not_whether_the_name_exists(
    terminal: Terminal, installation: Idp, waiting: str
) -> None:
    join(installation, "ewa@po.edu.pl", Role.OPERATOR)

    known = approve(terminal, waiting, "ewa@po.edu.pl", WRONG)
    unknown = approve(terminal, waiting, "nobody@po.edu.pl", WRONG)

    assert isinstance(known, BadCredentials)
    assert "your own staff account" in str(known)
    assert str(known) == str(unknown)


def test_a_clerk_and_a_student_may_not(terminal: Terminal, installation: Idp, waiting: str) -> None:
    join(installation, "clerk@po.edu.pl", Role.CLERK)

    assert isinstance(approve(terminal, waiting, "clerk@po.edu.pl"), NotAllowed)
    assert isinstance(approve(terminal, waiting, ANNA.uid), BadCredentials)  # nobody's password fits
    assert terminal.json("runs", "show", waiting)["state"] == "awaiting_approval"


def test_a_plan_is_exported_whole_as_lines_and_as_a_table(terminal: Terminal, waiting: str, tmp_path: Path) -> None:
    table = tmp_path / "plan.csv"

    lines = [json.loads(line) for line in terminal.run("runs", "export", waiting).splitlines()]
    terminal.run("runs", "export", waiting, str(table), "--format", "csv")

    head, *changes = lines
    assert (head["run_id"], head["state"], len(head["limit_violations"])) == (waiting, "awaiting_approval", 2)
    assert sorted((one["target"], one["kind"]) for one in changes) == [
        ("accounts", "disable"),
        ("accounts", "disable"),
        ("ldap", "disable"),
        ("ldap", "disable"),
    ]
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")), delimiter=";"))
    assert {(row["attribute"], row["before"], row["after"]) for row in rows if row["target"] == "accounts"} == {
        ("(enabled)", "true", "false")
    }


def test_an_exported_plan_is_for_its_owner_alone_and_replaces_nothing(
    terminal: Terminal, waiting: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.jsonl"

    said = terminal.run("runs", "export", waiting, str(file))
    written = file.read_bytes()
    again = terminal.result("runs", "export", waiting, str(file))
    nowhere = terminal.result("runs", "export", waiting, str(tmp_path / "none" / "plan.jsonl"))

    assert said == f"4 changes written to {file}.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert file.read_bytes() == written
    assert nowhere.exit_code == 2
    assert "cannot be written: No such file or directory" in nowhere.output
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".plan")]


def test_a_run_that_is_not_there_is_not_found_by_every_command_alike(terminal: Terminal, keys: Keys) -> None:
    commands = [("runs", word) for word in ("show", "export", "pause", "resume", "cancel")]

    for words in [*commands, ("undo",)]:
        refusal = terminal.error(*words, "no-such-run")

        assert isinstance(refusal, NotFound)
        assert "there is no run no-such-run" in str(refusal)


def test_a_run_is_named_by_as_much_of_its_number_as_no_other_has(
    terminal: Terminal, waiting: str, databases: Databases
) -> None:
    shared = shared_beginning(each["run_id"] for each in terminal.json("runs", "list"))

    assert terminal.json("runs", "show", waiting[: len(shared) + 1])["run_id"] == waiting
    ambiguous = terminal.error("runs", "cancel", shared)
    assert isinstance(ambiguous, InvalidInput)
    assert "several runs begin with" in str(ambiguous)
    assert isinstance(terminal.error("runs", "cancel", "%"), NotFound)
    assert isinstance(terminal.error("runs", "cancel", ""), NotFound)
    terminal.run("runs", "cancel", waiting[:-1])
    assert terminal.json("runs", "show", waiting)["state"] == "cancelled"


def test_a_plan_that_awaits_no_approval_is_refused_before_a_password_is_asked(terminal: Terminal, waiting: str) -> None:
    terminal.run("runs", "cancel", waiting)

    refusal = terminal.error("runs", "approve", waiting, "--as", "ewa")

    assert f"run {waiting} does not await approval: it is cancelled" in str(refusal)


def test_what_cannot_be_done_with_a_run_is_said_with_its_state(terminal: Terminal, waiting: str) -> None:
    said = terminal.run("runs", "cancel", waiting)

    assert "Nothing was written." in said
    assert f"run {waiting} is cancelled, so it cannot be resumed" in str(terminal.error("runs", "resume", waiting))


def test_a_narrow_terminal_shows_whole_numbers(
    terminal: Terminal, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    shown = terminal.run("runs", "list")

    assert waiting in shown
    assert "…" not in shown
    assert "accounts disable: " in shown


def shared_beginning(numbers: Iterable[str]) -> str:
    """Return what all numbers begin with."""
    first, *_, last = sorted(numbers)
    return first[: next(at for at, (one, other) in enumerate(zip(first, last, strict=True)) if one != other)]
