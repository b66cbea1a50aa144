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


@pytest.mark.parametrize(
    ("typed", "meant"), [(["stauts"], "status"), (["runs", "shwo"], "show"), (["people", "duplicate"], "duplicates")]
)
def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(typed: list[str], meant: str) -> None:
    result = CliRunner().invoke(idp, typed)

    assert result.exit_code == 2
    assert f"Did you mean '{meant}'?" in result.stderr


def test_a_command_like_no_other_is_only_refused() -> None:
    assert "Did you mean" not in CliRunner().invoke(idp, ["zzzzzz"]).stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_a_shell_asks_idp(shell: str) -> None:
    result = CliRunner().invoke(idp, ["completion", shell])

    assert result.exit_code == 0
    assert "_IDP_COMPLETE" in result.stdout
