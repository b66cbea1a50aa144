"""One at a time: setting the first password of one account, in all processes together."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from idp.clock import Clock
from idp.db import leases
from idp.db.databases import Databases
from idp.errors import InProgress

# Longer than the directory can keep us waiting; it only matters when a process dies with the lease.
LEASE_S = 60.0


@contextmanager
def one_at_a_time(databases: Databases, clock: Clock, name: str) -> Iterator[None]:
    """Keep everybody else from the work called `name` while the block runs.

    Raises:  InProgress when somebody else does it now
    """
    holder, now = secrets.token_hex(16), clock.timestamp()
    with databases.sessions.write() as connection:
        is_ours = leases.acquire(connection, name, holder, now, now + LEASE_S)
    if not is_ours:
        raise InProgress("this is being done in another window")
    try:
        yield
    finally:
        with databases.sessions.write() as connection:
            leases.release(connection, name, holder)
