"""`idp fees`: from an export to a page that somebody can open."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from deploy.processes import free_port
from idp.cli.documents import DOCUMENTS
from idp.cli.fees import fees
from idp.errors import ConfigError, IdpError
from tests.support.fees import registry_export, student_row
from tests.support.processes import descendants, ended_within, is_listened_on

STATES = {"paid", "paid_late", "due", "overdue"}


class Terminal:
    """Runs commands of one installation."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "fees.toml").write_text(
            f'[web]\nbase_url = "http://localhost:{self.port}"\nport = {self.port}\n[fees]\nfolder = "data"\n'
        )
        monkeypatch.setenv("IDP_FEES_CONFIG", str(folder / "fees.toml"))

    def run(self, *words: str) -> str:
        result = self.result(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str) -> Any:
        """Return what a command prints with `--json`, which is as the reference says."""
        printed = self.run(*words, "--json")
        msgspec.json.decode(printed, type=DOCUMENTS[f"fees {words[0]}"])
        return json.loads(printed)

    def refusal(self, *words: str) -> BaseException | None:
        return self.result(*words).exception

    def result(self, *words: str) -> Result:
        return CliRunner().invoke(fees, list(words))


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal(tmp_path, monkeypatch)
    terminal.run("setup")
    return terminal


@pytest.fixture
def with_students(terminal: Terminal) -> Terminal:
    rows = [student_row(os_id=str(number), nr_albumu=f"1000{number}") for number in range(1, 6)]
    terminal.run("students", str(registry_export(terminal.folder / "export.csv", rows)))
    return terminal


def test_before_setup_every_command_names_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Terminal(tmp_path, monkeypatch).refusal("list")

    assert isinstance(refusal, ConfigError)
    assert "idp fees setup" in str(refusal)


def test_setup_can_be_repeated(terminal: Terminal) -> None:
    assert "database fees: 0001" in terminal.run("setup")


def test_students_are_taken_and_bad_rows_listed(terminal: Terminal) -> None:
    rows = [student_row(), student_row(os_id="2", nr_albumu="7", status="x")]

    taken = terminal.json("students", str(registry_export(terminal.folder / "export.csv", rows)))

    assert (taken["added"], taken["accounts_opened"]) == (1, 1)
    assert [(row["line"], row["os_id"]) for row in taken["bad"]] == [(3, "2")]


def test_demo_data_show_every_state_to_everybody_and_are_invented_once(with_students: Terminal) -> None:
    invented = with_students.json("demo-data", "--seed", "3")

    assert invented["charges"] == 20
    for student in with_students.json("list"):
        assert {charge["state"] for charge in student["charges"]} == STATES
    assert with_students.json("demo-data", "--seed", "3") == {"charges": 0, "payments": 0}


def test_a_charge_and_its_payment_are_recorded_and_listed(with_students: Terminal) -> None:
    due, credited = date.today() - timedelta(days=30), date.today() - timedelta(days=40)  # noqa: DTZ011 - days far apart
    charge = ["charge", "--album", "10001", "--title", "Czesne", "--amount", "1450,50", "--due", str(due)]

    assert with_students.json(*charge, "--reference", "c1")["added"] == 1
    assert with_students.json(*charge, "--reference", "c1")["known"] == 1
    (student,) = with_students.json("list", "--album", "10001")
    (account,) = student["accounts"]
    pay = ["payment", "--account", account["number"], "--amount", "1450.50", "--credited", str(credited)]
    assert with_students.json(*pay, "--reference", "p1")["added"] == 1
    assert with_students.json(*pay, "--reference", "p1")["known"] == 1

    (student,) = with_students.json("list", "--album", "10001")
    (charge_now,) = student["charges"]
    assert (charge_now["amount"], charge_now["state"], charge_now["settled_on"]) == ("1450.50", "paid", str(credited))
    assert student["payments"][0]["unused_amount"] == "0.00"


def test_lists_are_recorded_from_files(with_students: Terminal) -> None:
    file = with_students.folder / "charges.csv"
    file.write_text("album;title;amount;due;reference\n10001;A;1.00;2026-10-15;c1\n10002;B;2.00;2026-10-15;c2\n")

    assert with_students.json("charge", "--file", str(file))["added"] == 2
    assert with_students.json("charge", "--file", str(file))["known"] == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["charge", "--album", "99", "--title", "A", "--amount", "1", "--due", "2026-10-15"], "not_found"),
        (["charge", "--album", "10001", "--title", "A", "--amount", "0", "--due", "2026-10-15"], "invalid_amount"),
        (["charge", "--album", "10001", "--title", "A", "--amount", "1", "--due", "15.10.2026"], "invalid_input"),
        (
            ["payment", "--account", "1" * 26, "--amount", "1", "--credited", "2026-10-15", "--reference", "r"],
            "invalid_account_number",
        ),
        (["list", "--album", "99"], "not_found"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(with_students: Terminal, words: list[str], code: str) -> None:
    refusal = with_students.refusal(*words)

    assert isinstance(refusal, IdpError)
    assert refusal.code == code


@pytest.mark.parametrize(
    "words", [["charge"], ["payment", "--amount", "1"], ["charge", "--file", __file__, "--album", "1"]]
)
def test_a_command_that_lacks_something_is_a_usage_error(with_students: Terminal, words: list[str]) -> None:
    assert with_students.result(*words).exit_code == 2


def test_for_people_the_lists_are_tables(with_students: Terminal) -> None:
    with_students.run("demo-data")

    assert "10001" in with_students.run("list")
    assert "overdue" in with_students.run("list", "--album", "10001", "--state", "overdue")
    assert "students.imported" in with_students.run("journal")


def test_the_journal_as_json_is_as_the_reference_says(with_students: Terminal) -> None:
    (event, *_) = with_students.json("journal", "--last", "3")

    assert (event["kind"], event["actor"].partition(":")[0]) == ("students.imported", "shell")


def test_serve_answers_and_stops_at_sigterm_with_everything_that_it_started(terminal: Terminal) -> None:
    words = [sys.executable, "-m", "idp", "fees", "serve"]
    # A script's background job inherits SIGINT as ignored; SIGTERM must work all the same.
    with subprocess.Popen(words, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            answer = ready(terminal.port, server)
            started = descendants(server.pid)
            server.send_signal(signal.SIGTERM)
            assert ended_within(server.pid, 10)
        finally:
            server.kill()

    assert answer == {"status": "ok", "parts": {"database": "ok"}}
    assert all(ended_within(pid, 2) for pid in started)
    assert not is_listened_on(terminal.port)


def ready(port: int, server: "subprocess.Popen[bytes]") -> Any:
    """Return the answer of /readyz, asked for until the server gives it or ends."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            assert not ended_within(server.pid, 0.1), server.stderr.read().decode() if server.stderr else ""
