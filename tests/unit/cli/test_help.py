"""What `--help` says of commands."""

import pytest
from click.testing import CliRunner

from idp.cli import idp

GROUPS = ["runs", "registry", "fees", "staff", "letters", "people", "people duplicates", "accounts", "config", "audit"]


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_of_a_group_cuts_no_sentence(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    shown = CliRunner().invoke(idp, [*group.split(), "--help"]).stdout

    _, _, commands = shown.partition("Commands:")
    assert commands
    assert "..." not in commands
