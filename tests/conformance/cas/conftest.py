"""The service that is judged: over SQLite as shipped, and over PostgreSQL without the shortcut in front of Flask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.store.base import Databases
from idp.store.keys import Keys
from tests.integration.cas.conftest import People, application, compiled, people, signed_in, visitor
from tests.support.clock import ManualClock
from tests.support.sign_on import SignOn, build_sign_on

__all__ = ["application", "compiled", "people", "signed_in", "visitor"]


@pytest.fixture(params=["sqlite", "postgresql without the shortcut"])
def way(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def databases(way: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    if "postgresql" in way:
        with request.getfixturevalue("postgres_database").databases() as databases:
            yield databases
    else:
        with request.getfixturevalue("sqlite_template").databases(tmp_path / "data") as databases:
            yield databases


@pytest.fixture
def sign_on(
    databases: Databases,
    keys: Keys,
    clock: ManualClock,
    slapd: PrivateSlapd,
    tmp_path: Path,
    people: People,
    compiled: Path,
    way: str,
) -> Iterator[SignOn]:
    folder, shortcut = tmp_path / "services", "without" not in way
    with build_sign_on(databases, keys, clock, slapd, folder, compiled=compiled, shortcut=shortcut) as service:
        yield service
