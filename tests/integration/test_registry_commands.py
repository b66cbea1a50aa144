"""`idp registry …` as somebody types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp.cli import idp
from idp.db.databases import open_databases
from idp.db.locks import exclusive
from idp.db.settings import StoreSettings
from idp.errors import Conflict
from tests.support.exports import export_row, person_rows, write_export


class Terminal:
    """Runs commands of one installation, set up by `idp setup`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        # The exports are of 2026 whenever the tests run.
        settings = '[store]\nfolder = "data"\n[keys]\nfolder = "keys"\n[registry]\nnewest_row_days = 100000\n'
        (folder / "idp.toml").write_text(settings, encoding="utf-8")
        monkeypatch.setenv("IDP_CONFIG", str(folder / "idp.toml"))
        monkeypatch.setenv("COLUMNS", "160")
        self.run("setup")

    def result(self, *words: str | Path) -> Result:
        return CliRunner().invoke(idp, [str(word) for word in words])

    def run(self, *words: str | Path) -> str:
        result = self.result(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.run(*words, "--json"))


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


def test_a_sample_is_imported_twice_and_its_second_day_after_it(terminal: Terminal, tmp_path: Path) -> None:
    first, second, delta = (tmp_path / name for name in ("one.csv", "two.csv", "delta.csv"))
    sample = ("registry", "sample", "--people", "80", "--seed", "3")
    terminal.run(*sample, first)
    terminal.run(*sample, "--day", "2", second)
    terminal.run(*sample, "--day", "2", "--changes", delta)

    shown = terminal.run("registry", "import", first)
    again = terminal.json("registry", "import", first)
    changes = terminal.json("registry", "import", "--delta", delta)
    full = terminal.json("registry", "import", second)

    assert "80  people added" in shown
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 80)
    assert changes["changed"] == 10
    assert changes["people"] < 20
    assert (full["changed"], full["added"]) == (0, 1)
    cases = (tmp_path / "one.csv.cases.csv").read_text(encoding="utf-8").splitlines()
    assert cases[0] == "os_id;line;case;outcome;reason"


def test_both_days_of_a_sample_are_taken_with_the_default_limits(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "idp.toml").write_text('[store]\nfolder = "data"\n[keys]\nfolder = "keys"\n', encoding="utf-8")
    terminal.run("registry", "sample", tmp_path / "one.csv")
    terminal.run("registry", "sample", "--day", "2", tmp_path / "two.csv")

    terminal.run("registry", "import", tmp_path / "one.csv")
    second = terminal.json("registry", "import", tmp_path / "two.csv")

    assert (second["added"], second["changed"] > 5) == (1, True)


def test_a_sample_goes_to_the_terminal_too(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("registry", "sample", tmp_path / "one.csv", "--people", "5")

    shown = terminal.run("registry", "sample", "-", "--people", "5")

    assert shown == (tmp_path / "one.csv").read_text(encoding="utf-8")


def test_a_sample_that_cannot_be_written_is_a_mistake_in_the_command(terminal: Terminal, tmp_path: Path) -> None:
    nowhere = terminal.result("registry", "sample", tmp_path / "none" / "x.csv")
    folder = terminal.result("registry", "sample", tmp_path)
    cases = terminal.result("registry", "sample", tmp_path / "x.csv", "--cases", tmp_path / "none" / "cases.csv")

    assert [each.exit_code for each in (nowhere, folder, cases)] == [2, 2, 2]
    assert "x.csv cannot be written: No such file or directory." in nowhere.output
    assert "cannot be written: Is a directory." in folder.output
    assert "cases.csv cannot be written" in cases.output


def test_a_sample_overwrites_no_file(terminal: Terminal, tmp_path: Path) -> None:
    for name in ("x.csv", "y.csv.cases.csv"):
        (tmp_path / name).write_text("mine")

    file = terminal.result("registry", "sample", tmp_path / "x.csv")
    labels = terminal.result("registry", "sample", tmp_path / "y.csv")

    assert (file.exit_code, labels.exit_code) == (2, 2)
    assert "x.csv exists already" in file.output
    assert (tmp_path / "x.csv").read_text() == (tmp_path / "y.csv.cases.csv").read_text() == "mine"
    assert not (tmp_path / "y.csv").exists()


def test_a_quarantined_row_is_listed_with_its_reason_and_without_its_content(
    terminal: Terminal, tmp_path: Path
) -> None:
    bad = export_row(pesel="02022700004", prog_kod="[red]X[/]")
    terminal.run("registry", "import", write_export(tmp_path / "export.csv", [*person_rows(3), bad]))

    shown = terminal.run("registry", "quarantine")
    (row,) = terminal.json("registry", "quarantine")

    assert "[red]X[/]" in shown
    assert "The check digit of pesel is wrong." in shown
    assert "020227" not in shown
    assert (row["line"], row["reason"], row["os_id"]) == (5, "pesel_check_digit", "101")


def test_an_empty_quarantine_is_said_so(terminal: Terminal) -> None:
    assert "The quarantine is empty." in terminal.run("registry", "quarantine")


def test_a_refused_file_ends_with_exit_code_1_and_its_reason(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(b"os_id;imie\n1;Jan\n")

    plain = terminal.result("registry", "import", file)
    as_json = terminal.result("registry", "import", file, "--json")

    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert plain.stderr.startswith("refused_source: wrong_header: The header is not that of a registry export")
    assert json.loads(as_json.stdout)["refused"] == "wrong_header"


def test_a_limit_is_accepted_by_name(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    terminal.run("registry", "import", write_export(file, person_rows(50)))
    write_export(file, person_rows(20))

    assert terminal.result("registry", "import", file).exit_code == 1
    assert terminal.json("registry", "import", file, "--accept", "fewer_people")["absent"] == 30
    assert terminal.result("registry", "import", file, "--accept", "not_utf8").exit_code == 2


def test_a_second_import_at_the_same_time_is_told_so(terminal: Terminal, tmp_path: Path) -> None:
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    with exclusive(databases, "registry-import"):
        result = terminal.result("registry", "import", write_export(tmp_path / "export.csv", person_rows(1)))
    databases.close()

    assert isinstance(result.exception, Conflict)


def test_everybody_is_reviewed_after_a_change_of_settings(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("registry", "import", write_export(tmp_path / "export.csv", person_rows(7)))

    assert "0 people" in terminal.run("registry", "review")
    assert "7 people" in terminal.run("registry", "review", "--all")
