"""The units that we ship: each starts a command that exists, in a sandbox."""

from pathlib import Path

import click
import pytest

from idp.cli import idp

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
PROGRAM = "/usr/local/bin/idp"


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Return what a unit sets, every value of a repeated name."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_shut_in(unit: Path) -> None:
    found = settings_of(unit)

    assert found["LimitCORE"] == ["0"]
    assert found["UMask"] == ["0077"]
    assert {"MemoryHigh", "MemoryMax", "TasksMax"} <= found.keys()
    assert found["ProtectSystem"] == ["strict"]
    assert found["StateDirectoryMode"] == ["0700"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["SystemCallFilter"] == ["@system-service", "~@privileged"]
    assert found["User"][0] not in ("", "root")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_exists(unit: Path) -> None:
    program, *words = settings_of(unit)["ExecStart"][0].split()

    assert program == PROGRAM
    command: click.Command | None = idp
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
