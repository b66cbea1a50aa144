"""Fixtures for every suite. Servers are real; they start when the first test asks for them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest

from deploy.keycloak.private import PrivateKeycloak
from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from tests.support.campaign import Progress
from tests.support.clock import ManualClock
from tests.support.counts import CAMPAIGN, TEST, Counts
from tests.support.databases import PostgresDatabase, SqliteTemplate, make_postgres_database
from tests.support.demo import RunningDemo, copy_folder, copy_project, two_free_ports
from tests.support.keys import shared_keys
from tests.support.postgresql import running_postgres
from tests.support.run import CONTROLLER, FOLDER, RunPlugin
from tests.support.suites import SuiteTimes

COUNTS = pytest.StashKey[Counts]()
STORE_SUITE = Path(__file__).parent / "store"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("idp")
    group.addoption("--campaign", type=int, metavar="SEED", help="full counts, with this seed (see `make campaign`)")
    group.addoption("--campaign-file", type=Path, help="remember outcomes here and leave out what has passed before")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RunPlugin(), "idp-run")  # its own pytest_configure runs at once
    config.pluginmanager.register(SuiteTimes(), "idp-suites")
    if file := config.getoption("--campaign-file"):
        config.pluginmanager.register(Progress(file, writes=not hasattr(config, "workerinput")), "idp-campaign")
    seed = config.getoption("--campaign")
    counts = config.stash[COUNTS] = TEST if seed is None else replace(CAMPAIGN, seed=seed)
    hypothesis.settings.register_profile(
        "idp", max_examples=counts.examples, deadline=None, derandomize=seed is None, database=None
    )
    hypothesis.settings.load_profile("idp")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what touches the store on both kinds of database; elsewhere SQLite stands for both."""
    if "databases" in metafunc.fixturenames and metafunc.definition.path.is_relative_to(STORE_SUITE):
        metafunc.parametrize("databases", ["sqlite", "postgresql"], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send every test that uses the running demo to one worker: a demo for each would be dear."""
    for item in items:
        if "played_demo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("demo"))


@pytest.fixture
def clock() -> ManualClock:
    """A clock at 2026-10-01T10:00Z that the test moves: `clock.advance(seconds)`."""
    return ManualClock()


@pytest.fixture(scope="session")
def counts(pytestconfig: pytest.Config) -> Counts:
    """How often to try; see tests/support/counts.py."""
    return pytestconfig.stash[COUNTS]


@pytest.fixture
def keys() -> Keys:
    """Keys that are the same in every run."""
    return shared_keys()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """Empty SQLite files with every table."""
    return SqliteTemplate.make(tmp_path_factory.mktemp("sqlite-template"))


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> str:
    """URL of the run's own PostgreSQL, as its superuser."""
    return running_postgres(pytestconfig.stash[FOLDER], pytestconfig.stash[CONTROLLER]).url("postgres")


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str, worker_id: str) -> PostgresDatabase:
    """This worker's database, with every table."""
    return PostgresDatabase.make(postgres_server, f"idp_{worker_id}")


@pytest.fixture
def empty_postgres(postgres_server: str, worker_id: str) -> str:
    """URL of a database without any schema or table, for migrations."""
    return make_postgres_database(postgres_server, f"empty_{worker_id}")


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Fresh databases with every table; in tests/store once on SQLite and once on PostgreSQL."""
    if getattr(request, "param", "sqlite") == "postgresql":
        with request.getfixturevalue("postgres_database").databases() as databases:
            yield databases
    else:
        with request.getfixturevalue("sqlite_template").databases(tmp_path / "data") as databases:
            yield databases


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSlapd]:
    """This worker's own running slapd: `.url`, `.base_dn`, `.settings`; `.reset()` removes every person."""
    with PrivateSlapd(tmp_path_factory.mktemp("slapd"), durable=False, dies_with_us=True) as server:
        yield server


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateKeycloak]:
    """A running Keycloak with our realm: `.url`, `.realm`, `.secret(…)`; `.reset()` removes every user.

    Starting it takes some 20 s of processor time and 400 MB. Tests that use it carry `xdist_group("keycloak")`: all of
    them then go to one worker, so that there is one Keycloak, and whoever stops it disturbs nobody.
    """
    folder = tmp_path_factory.mktemp("keycloak")
    with PrivateKeycloak(folder, heap_mib=384, starts_quickly=True, dies_with_us=True) as server:
        yield server


@pytest.fixture(scope="session")
def played_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose demo was started for the first time and stopped: to be copied, not to be started."""
    first = RunningDemo(copy_project(tmp_path_factory.mktemp("played")), two_free_ports())
    try:
        first.start().wait_until_ready()
    finally:
        first.end()
    return first.project


@pytest.fixture(scope="session")
def demo(played_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A running demo, shared by all tests that ask for it: `.access` is its access.json.

    Its people may be changed by earlier tests; `.access["student"]` and the staff are as the demo left them.
    """
    running = RunningDemo(copy_folder(played_demo, tmp_path_factory.mktemp("demo") / "project"), two_free_ports())
    try:
        yield running.start().wait_until_ready()
    finally:
        running.end()
