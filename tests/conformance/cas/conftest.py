"""The service that is judged: over SQLite as shipped, and over PostgreSQL without the fast path in front of Flask.
Cases that store tickets also run over PostgreSQL with it.

Each case of the specification names servers that break its rule (`broken_by`, see broken.py). There it must fail:
`[broken …]` beside a case is such a try.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.sso.settings import SsoSettings
from tests.conformance.cas.broken import Breakage
from tests.conftest import COUNTS
from tests.integration.cas.conftest import People, application, compiled, people, signed_in, visitor
from tests.support.clock import ManualClock
from tests.support.sign_on import SignOn, build_sign_on

__all__ = ["application", "compiled", "people", "signed_in", "visitor"]

SHIPPED, WITHOUT_FAST_PATH, ON_POSTGRESQL = "sqlite", "postgresql without the fast path", "postgresql"
# The fast path on PostgreSQL: for the cases that store and read tickets, to keep the suite short.
STORING = {"test_tickets", "test_validation", "test_single_logout"}


def breakages_of(case: object) -> tuple[Breakage, ...]:
    """Return the broken servers on which a case must fail."""
    found: tuple[Breakage, ...] = getattr(case, "broken_by", ())
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" not in metafunc.fixturenames:
        return
    ways: list[object] = [SHIPPED, WITHOUT_FAST_PATH]
    if metafunc.module.__name__.rpartition(".")[2] in STORING and "signed_in" in metafunc.fixturenames:
        ways.append(ON_POSTGRESQL)
    counts = metafunc.config.stash[COUNTS]
    for number, breakage in enumerate(breakages_of(metafunc.function)):
        if _is_in_the_sample(metafunc.function.__name__, counts.broken_share):
            ways.append(pytest.param(breakage, id=f"broken {number + 1}"))
    metafunc.parametrize("way", ways, indirect=True)


def _is_in_the_sample(name: str, share: int) -> bool:
    return sum(name.encode()) % share == 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On a broken server a case passes by failing: in the case itself, and by what it asserts."""
    report = yield
    if report.when == "call" and hasattr(item, "callspec") and isinstance(item.callspec.params.get("way"), Breakage):
        if call.excinfo is None:
            report.outcome, report.longrepr = "failed", "the case does not notice that the server breaks its rule"
        elif call.excinfo.errisinstance(AssertionError):
            report.outcome, report.longrepr = "passed", None
    return report


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str | Breakage:
    chosen: str | Breakage = request.param
    return chosen


@pytest.fixture
def databases(way: str | Breakage, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    if isinstance(way, str) and "postgresql" in way:
        with request.getfixturevalue("postgres_database").databases() as databases:
            yield databases
    else:
        with request.getfixturevalue("sqlite_template").databases(tmp_path / "data") as databases:
            yield databases


@pytest.fixture
def sso() -> SsoSettings:
    """The settings of a file's own liking."""
    return SsoSettings()


@pytest.fixture
def sign_on(
    databases: Databases,
    keys: Keys,
    clock: ManualClock,
    slapd: PrivateSlapd,
    tmp_path: Path,
    people: People,
    compiled: Path,
    way: str | Breakage,
    sso: SsoSettings,
) -> Iterator[SignOn]:
    breakage = way if isinstance(way, Breakage) else Breakage()
    with build_sign_on(
        databases,
        keys,
        clock,
        slapd,
        tmp_path / "applications",
        sso=sso,
        compiled=compiled,
        outgoing=breakage.outgoing(),
        fast_path=way != WITHOUT_FAST_PATH,
    ) as service:
        breakage.install(service)
        yield service
