"""A command typed where nothing is set up: mostly a forgotten IDP_CONFIG."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from idp.cli import idp
from idp.errors import ConfigError

COMMANDS = ["status", "plan", "audit", "worker", "serve", "runs list", "staff list", "registry quarantine", "fees list"]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("IDP_CONFIG", "IDP_FEES_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_makes_nothing_and_names_the_forgotten_variable(command: str, empty: Path) -> None:
    refusal = CliRunner().invoke(idp, command.split()).exception

    variable = "IDP_FEES_CONFIG" if command.startswith("fees") else "IDP_CONFIG"
    assert isinstance(refusal, ConfigError)
    assert f"nothing is set up here: there is no {empty}" in str(refusal)
    assert f"{variable} is not set" in str(refusal)
    assert list(empty.iterdir()) == []


def test_with_a_settings_file_the_command_that_makes_what_is_missing_is_named(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "idp.toml"
    file.write_text('[store]\nfolder = "data"\n')
    monkeypatch.setenv("IDP_CONFIG", str(file))

    refusal = CliRunner().invoke(idp, ["status"]).exception

    assert str(refusal) == f"nothing is set up here: there is no {tmp_path}/data/identity.db. Run `idp setup`."
    assert not (tmp_path / "data").exists()
