"""One running site for all clients; every test of this folder goes to one worker, so that it starts once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cas_clients.site import Person, Site, running_site
from tests.support.databases import SqliteTemplate
from tests.support.run import FOLDER

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("cas-clients"))


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config, worker_id: str, sqlite_template: SqliteTemplate) -> Iterator[Site]:
    # Below the run's folder and not below pytest's: Apache's other user may pass there.
    with running_site(pytestconfig.stash[FOLDER] / f"clients-{worker_id}", sqlite_template) as site:
        yield site


@pytest.fixture
def person(site: Site) -> Person:
    """Somebody who has not signed in yet."""
    return site.person()
