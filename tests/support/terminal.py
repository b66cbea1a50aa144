"""Commands as somebody types them, over an installation of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.openldap.private import PrivateSlapd
from idp.cli import idp


class Terminal:
    """Runs commands of one installation, set up by `idp setup`."""

    def __init__(self, folder: Path, slapd: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> None:
        directory = slapd.settings.model_dump(mode="json", exclude_none=True)
        lines = ["[store]", 'folder = "data"', "[keys]", 'folder = "keys"', "[letters]", 'folder = "letters"']
        lines.append("[directory]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in directory.items()]
        (folder / "idp.toml").write_text("\n".join(lines))
        monkeypatch.setenv("IDP_CONFIG", str(folder / "idp.toml"))
        monkeypatch.setenv("COLUMNS", "160")
        self.run("setup")

    def run(self, *words: str) -> str:
        result = self.result(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    def error(self, *words: str) -> BaseException | None:
        return self.result(*words).exception

    def result(self, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(idp, list(words), input=typed)
