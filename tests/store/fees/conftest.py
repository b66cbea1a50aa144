"""The fees database, once on SQLite and once on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.fees.database import Database
from tests.support.databases import make_postgres_database
from tests.support.fees import postgresql_fees, sqlite_fees


@pytest.fixture(scope="session")
def fees_postgres_url(postgres_server: str, worker_id: str) -> str:
    """URL of this worker's PostgreSQL database for fees."""
    return make_postgres_database(postgres_server, f"fees_{worker_id}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fees database with every table and no row."""
    if request.param == "sqlite":
        with sqlite_fees(tmp_path / "fees") as database:
            yield database
    else:
        with postgresql_fees(request.getfixturevalue("fees_postgres_url")) as database:
            yield database
