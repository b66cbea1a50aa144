"""How often a claim was tried for one album number on one day, counted for all processes together."""

from datetime import date

from sqlalchemy import (
    Column,
    Connection,
    Date,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    bindparam,
    delete,
    select,
    text,
)

from idp.store.base import sessions_metadata

claim_attempt = Table(
    "claim_attempt",
    sessions_metadata,
    Column("album_number", String(10), nullable=False),  # whether or not anybody has it
    Column("day", Date, nullable=False),  # in the university's time zone
    Column("tries", Integer, nullable=False),
    PrimaryKeyConstraint("album_number", "day"),
)

# One statement on both databases: two parallel tries are counted as two.
COUNT_ONE = text(
    "INSERT INTO claim_attempt (album_number, day, tries) VALUES (:album_number, :day, 1) "
    "ON CONFLICT (album_number, day) DO UPDATE SET tries = claim_attempt.tries + 1 RETURNING tries"
).bindparams(bindparam("day", type_=Date))


def count_try(connection: Connection, album_number: str, day: date) -> int:
    """Count one more try and return how many there are now, this one included."""
    tries: int = connection.execute(COUNT_ONE, {"album_number": album_number, "day": day}).scalar_one()
    return tries


def any_before(connection: Connection, day: date) -> bool:
    """Say whether there are days to forget: a look costs no write lock."""
    old = select(claim_attempt.c.day).where(claim_attempt.c.day < day).limit(1)
    return connection.execute(old).first() is not None


def sweep(connection: Connection, before: date) -> int:
    """Forget the days before `before`; return how many rows went."""
    return connection.execute(delete(claim_attempt).where(claim_attempt.c.day < before)).rowcount
