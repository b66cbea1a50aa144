"""One sign-on service with two students, and an application to sign in to."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from tests.support.clock import ManualClock
from tests.support.sign_on import Application, Browser, SignOn, build_sign_on, give_password
from tests.support.students import Student, add_student

PASSWORD = "zażółć gęślą jaźń"
CLAIMED = datetime(2026, 9, 20, tzinfo=UTC)


@dataclass(frozen=True)
class People:
    """Who can sign in, and who cannot yet."""

    anna: Student
    unclaimed: Student
    disabled: Student


@pytest.fixture
def people(databases: Databases, keys: Keys, slapd: PrivateSlapd) -> People:
    people = People(
        anna=add_student(databases, keys, Student("anna", album="12345", claimed_at=CLAIMED)),
        unclaimed=add_student(databases, keys, Student("unclaimed", album="54321")),
        disabled=add_student(databases, keys, Student("disabled", album="777", claimed_at=CLAIMED, enabled=False)),
    )
    give_password(slapd, people.anna.uid, PASSWORD)
    give_password(slapd, people.disabled.uid, PASSWORD)
    return people


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled templates are kept: each test builds its own application."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def sign_on(
    databases: Databases,
    keys: Keys,
    clock: ManualClock,
    slapd: PrivateSlapd,
    tmp_path: Path,
    people: People,
    compiled: Path,
) -> Iterator[SignOn]:
    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications", compiled=compiled) as service:
        yield service


@pytest.fixture
def visitor(sign_on: SignOn) -> Browser:
    return sign_on.browser()


@pytest.fixture
def application() -> Iterator[Application]:
    with Application() as application:
        yield application


@pytest.fixture
def signed_in(visitor: Browser) -> Browser:
    """A browser in which Anna has signed in."""
    assert visitor.sign_in("12345", PASSWORD).status_code == 303
    return visitor
