"""Claims tried for one album number on one day, and failed from one network, counted for all processes together."""

from datetime import date

from sqlalchemy import (
    Connection,
    Date,
    bindparam,
    delete,
    select,
    text,
)

from idp.accounts.tables import claim_attempt, claim_failure
from idp.db.one_time import hash_of

# One statement on both databases: two parallel attempts are counted as two.
COUNT_ONE = text(
    "INSERT INTO claim_attempt (album_number, day, attempts) VALUES (:album_number, :day, 1) "
    "ON CONFLICT (album_number, day) DO UPDATE SET attempts = claim_attempt.attempts + 1 RETURNING attempts"
).bindparams(bindparam("day", type_=Date))
COUNT_FAILURE = text(
    "INSERT INTO claim_failure (network_hash, day, failures) VALUES (:network_hash, :day, 1) "
    "ON CONFLICT (network_hash, day) DO UPDATE SET failures = claim_failure.failures + 1"
).bindparams(bindparam("day", type_=Date))


def count_attempt(connection: Connection, album_number: str, day: date) -> int:
    """Count one more try and return how many there are now, this one included."""
    attempts: int = connection.execute(COUNT_ONE, {"album_number": album_number, "day": day}).scalar_one()
    return attempts


def failures_of(connection: Connection, network: str, day: date) -> int:
    """Return how many claims from a network have failed."""
    mine = (claim_failure.c.network_hash == hash_of(network)) & (claim_failure.c.day == day)
    return connection.execute(select(claim_failure.c.failures).where(mine)).scalar() or 0


def count_failure(connection: Connection, network: str, day: date) -> None:
    """Count one more."""
    connection.execute(COUNT_FAILURE, {"network_hash": hash_of(network), "day": day})


def any_before(connection: Connection, day: date) -> bool:
    """Say whether there are days to forget: a look costs no write lock."""
    days = (claim_attempt.c.day, claim_failure.c.day)
    return any(connection.execute(select(one).where(one < day).limit(1)).first() is not None for one in days)


def sweep(connection: Connection, before: date) -> int:
    """Forget the days before `before`; return how many rows went."""
    tables = (claim_attempt, claim_failure)
    return sum(connection.execute(delete(one).where(one.c.day < before)).rowcount for one in tables)
