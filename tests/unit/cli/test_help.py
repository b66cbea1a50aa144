"""What `--help` says of commands."""

import click
import pytest
from click.testing import CliRunner

from idp.cli import COMMANDS, idp

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


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_the_help_of_each_says(command: str) -> None:
    group = idp.get_command(click.Context(idp), command)

    assert group is not None
    assert COMMANDS[command][2] == group.get_short_help_str(limit=1000)


@pytest.mark.parametrize("command", ["accounts lock", "sessions list", "explain person", "drift drop"])
def test_people_are_named_by_the_same_argument_everywhere(command: str) -> None:
    shown = CliRunner().invoke(idp, [*command.split(), "--help"]).stdout

    assert f"idp {command} [OPTIONS] PERSON" in shown
