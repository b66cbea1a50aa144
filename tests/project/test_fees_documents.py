"""The pages of the fees application name every setting, command and event."""

from pathlib import Path

import pytest

from idp.cli.fees import fees
from idp.fees import journal
from idp.fees.settings import AccountKind, CasSettings, FeesSettings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "".join(
    (DOCS / name).read_text(encoding="utf-8")
    for name in ("reference/fees.md", "reference/settings/fees.md", "how-to/run-the-fees-application.md")
)


@pytest.mark.parametrize(
    "setting",
    [
        *(f"`fees.{name}" for name in FeesSettings.model_fields),
        *(f"`cas.{name}`" for name in CasSettings.model_fields),
        *(f"`fees.kinds.NAME.{name}`" for name in AccountKind.model_fields),
    ],
)
def test_every_setting_is_explained(setting: str) -> None:
    assert setting in PAGE


@pytest.mark.parametrize("command", sorted(fees.commands))
def test_every_command_is_shown(command: str) -> None:
    assert f"idp fees {command}" in PAGE


def test_every_event_is_listed() -> None:
    words = [value for name, value in vars(journal).items() if name.isupper() and "." in str(value)]

    assert [word for word in words if f"`{word}`" not in PAGE] == []
