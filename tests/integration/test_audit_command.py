"""`idp audit` as somebody types it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.cli import idp
from idp.db.databases import open_databases
from idp.db.settings import StoreSettings

SUBJECT = "0123456789abcdef" * 2
TEXT = "a1b2c3d4" * 30


@pytest.fixture(autouse=True)
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation with one event."""
    (tmp_path / "idp.toml").write_text('[store]\nfolder = "data"\n[keys]\nfolder = "keys"\n')
    monkeypatch.setenv("IDP_CONFIG", str(tmp_path / "idp.toml"))
    monkeypatch.setenv("COLUMNS", "80")
    assert CliRunner().invoke(idp, ["setup"]).exit_code == 0
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    with databases.identity.write() as connection:
        record(
            connection,
            0.0,
            Event(event_types.PERSON_DUPLICATE_DISMISSED, subject=SUBJECT, actor="shell:anna", data={"text": TEXT}),
        )
    databases.close()


@pytest.mark.parametrize("columns", ["80", "159", "160"])
def test_words_and_ids_are_whole_whatever_the_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    shown = CliRunner().invoke(idp, ["audit"]).stdout

    assert "person.duplicate_dismissed" in shown
    assert SUBJECT in shown
    assert "shell:anna" in shown
    assert TEXT in "".join(line.split()[-1] for line in shown.splitlines()[1:]).partition("text=")[2]


@pytest.mark.parametrize(("kind", "count"), [("person", 1), ("person.duplicate_dismissed", 1), ("sign_in", 0)])
def test_a_word_or_family_is_shown(kind: str, count: int) -> None:
    result = CliRunner().invoke(idp, ["audit", "--kind", kind])

    assert result.exit_code == 0
    assert result.stdout.count("person.duplicate_dismissed") == count


def test_a_subject_without_events_is_said_so() -> None:
    result = CliRunner().invoke(idp, ["audit", "--kind", "sign_in", "--subject", "12345"])
    as_json = CliRunner().invoke(idp, ["audit", "--subject", "12345", "--json"])

    assert (result.exit_code, result.stdout) == (0, "There are no events of the kind sign_in about 12345.\n")
    assert (as_json.exit_code, as_json.stdout) == (0, "[]\n")


def test_a_word_that_no_event_has_is_a_mistake_in_the_command() -> None:
    result = CliRunner().invoke(idp, ["audit", "--kind", "signin"])

    assert result.exit_code == 2
    assert "There is no kind of event signin" in result.output
    assert "sign_in" in result.output
