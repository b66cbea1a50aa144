"""What an installation gets: the optional parts are optional, and the tools of developers stay away."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
WITHOUT_KEYCLOAK = """
import importlib, pkgutil, sys
sys.modules["keycloak"] = None  # importing it now fails as if it were not installed
import idp
from idp.errors import ConfigError
for module in pkgutil.walk_packages(idp.__path__, "idp."):
    if ".migrations" in module.name or module.name.endswith(("__main__", "drivers.keycloak")):
        continue
    importlib.import_module(module.name)
try:
    importlib.import_module("idp.drivers.keycloak")
except ConfigError as missing:
    print(missing)
"""


def locked(name: str) -> dict[str, str]:
    """Return the versions in a lock by package."""
    text = (PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))


def required(extra: str) -> set[str]:
    """Return the names of an extra in pyproject.toml."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[~=<>\[ ]", one)[0] for one in project["optional-dependencies"][extra]}


def test_idp_runs_without_the_keycloak_client_and_says_what_is_missing() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_KEYCLOAK], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "targets.keycloak" in done.stdout
    assert "scripts/venv runtime-keycloak" in done.stdout


def test_an_installation_gets_no_tools_of_developers() -> None:
    runtime, with_keycloak, development = locked("runtime"), locked("runtime-keycloak"), locked("development")

    assert not required("dev") & runtime.keys()
    assert not required("dev") & with_keycloak.keys()
    assert required("keycloak") <= with_keycloak.keys()
    assert not required("keycloak") & runtime.keys()
    assert runtime.items() <= with_keycloak.items() <= development.items()


def test_every_lock_comes_with_what_builds_the_project() -> None:
    """`scripts/venv runtime` installs the project itself, too, and fetches nothing beside the locks."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    backends = {re.split(r"[~=<>\[ ]", one)[0] for one in project["build-system"]["requires"]}
    build, development = locked("build"), locked("development")

    # hatchling asks for editables when it installs a project in place.
    assert backends | {"editables"} <= build.keys()
    assert {name: build[name] for name in build.keys() & development.keys()} == {
        name: development[name] for name in build.keys() & development.keys()
    }
