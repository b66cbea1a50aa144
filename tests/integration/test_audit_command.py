"""`idp audit` as somebody types it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from idp.audit import words
from idp.audit.events import Event, record
from idp.cli import idp
from idp.store.base import open_databases
from idp.store.settings import StoreSettings

SUBJECT = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation with one event."""
    (tmp_path / "idp.toml").write_text('[store]\nfolder = "data"\n[keys]\nfolder = "keys"\n')
    monkeypatch.setenv("IDP_CONFIG", str(tmp_path / "idp.toml"))
    monkeypatch.setenv("COLUMNS", "80")
    assert CliRunner().invoke(idp, ["setup"]).exit_code == 0
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    with databases.identity.write() as connection:
        record(connection, 0.0, Event(words.PERSON_DUPLICATE_DISMISSED, subject=SUBJECT, actor="shell:anna"))
    databases.close()


def test_a_narrow_terminal_shows_the_whole_word_and_folds_the_rest() -> None:
    head, *lines = CliRunner().invoke(idp, ["audit"]).stdout.splitlines()

    about = slice(head.index("about"), head.index("why"))
    assert "person.duplicate_dismissed" in lines[0]
    assert "".join(line[about].strip() for line in lines) == SUBJECT


@pytest.mark.parametrize(("kind", "count"), [("person", 1), ("person.duplicate_dismissed", 1), ("sign_in", 0)])
def test_a_word_or_family_is_shown(kind: str, count: int) -> None:
    result = CliRunner().invoke(idp, ["audit", "--kind", kind])

    assert result.exit_code == 0
    assert result.stdout.count("person.duplicate_dismissed") == count


def test_a_word_that_no_event_has_is_a_mistake_in_the_command() -> None:
    result = CliRunner().invoke(idp, ["audit", "--kind", "signin"])

    assert result.exit_code == 2
    assert "There is no event signin" in result.output
    assert "sign_in" in result.output
