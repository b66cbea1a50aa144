"""One at a time: setting the first password of one account, in all processes together."""

from collections.abc import Iterator
from contextlib import contextmanager

from idp.clock import Clock
from idp.db.databases import Databases
from idp.db.leases import free, hold
from idp.errors import Conflict

# Longer than the directory can keep us waiting; it only matters when a process dies while it holds.
HOLD_S = 60.0


@contextmanager
def one_at_a_time(databases: Databases, clock: Clock, name: str) -> Iterator[None]:
    """Keep everybody else from holding `name` while the block runs.

    Raises:  Conflict when somebody else holds it
    """
    now = clock.timestamp()
    with databases.sessions.write() as connection:
        holder = hold(connection, name, now, now + HOLD_S)
    if holder is None:
        raise Conflict("this is being done in another window")
    try:
        yield
    finally:
        with databases.sessions.write() as connection:
            free(connection, name, holder)
