"""The order in which targets are written, and where targets come from."""

from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from idp.app import settings as app_settings
from idp.app.settings import target_modules
from idp.errors import ConfigError
from idp.provisioning.target import Stage, in_stage_order
from tests.support.faulty_target import FaultyTarget


def test_targets_stand_in_the_order_of_their_stages_whatever_they_are_called() -> None:
    targets = [FaultyTarget("a", stage=Stage.MAIL), FaultyTarget("z", stage=Stage.ACCESS)]
    targets += [FaultyTarget("y", stage=Stage.DIRECTORY), FaultyTarget("x", stage=Stage.DIRECTORY)]

    assert list(in_stage_order(targets)) == ["z", "x", "y", "a"]


def installed(monkeypatch: pytest.MonkeyPatch, kind: str) -> ModuleType:
    """Return a target's module as another distribution brings it."""
    module = ModuleType("somewhere.else")
    module.KIND = kind  # type: ignore[attr-defined]

    class Found(EntryPoint):
        def load(self) -> ModuleType:
            return module

    found = [Found(kind, "somewhere.else", app_settings.TARGETS)]
    monkeypatch.setattr(app_settings, "entry_points", lambda *, group: found if group == app_settings.TARGETS else [])
    return module


def test_a_target_of_another_distribution_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    module = installed(monkeypatch, "graph")

    assert target_modules()["graph"] is module
    assert {"ldap", "keycloak"} <= target_modules().keys()


def test_two_targets_of_one_kind_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "ldap")

    with pytest.raises(ConfigError, match=r"two targets are called ldap: .*somewhere\.else"):
        target_modules()
