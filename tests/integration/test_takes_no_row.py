"""A disk that is full: the databases can be read, and take no row."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from idp.db.databases import Databases, StoreError
from idp.jobs.housekeeping import require_writable, silent_lanes
from tests.support.clock import ManualClock


@contextmanager
def full_disk() -> Iterator[None]:
    """Let this process write to no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_databases_that_take_rows_are_left_as_they_are(databases: Databases, clock: ManualClock) -> None:
    require_writable(databases, clock)
    require_writable(databases, clock)


def test_a_full_disk_shows_only_to_who_writes(databases: Databases, clock: ManualClock) -> None:
    require_writable(databases, clock)

    clock.advance(1)
    with full_disk():
        assert silent_lanes(databases, clock)
        with pytest.raises(StoreError, match="disk"):
            require_writable(databases, clock)

    require_writable(databases, clock)
