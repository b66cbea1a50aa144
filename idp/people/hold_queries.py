"""Accounts that a human keeps closed: apart from what the records say, so that no import opens them again."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from idp.db.bulk import insert_once
from idp.people.tables import account_hold

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Hold:
    """One account that is kept closed."""

    account_id: str
    held_by: str
    reason: str
    held_at: datetime


def add_hold(connection: Connection, new: Hold) -> bool:
    """Keep an account closed; False when it is held already."""
    return insert_once(connection, account_hold, {column.name: getattr(new, column.name) for column in account_hold.c})


def drop_hold(connection: Connection, account_id: str) -> bool:
    """Let go of an account; False when it was not held."""
    return connection.execute(delete(account_hold).where(account_hold.c.account_id == account_id)).rowcount == 1


def list_holds(connection: Connection) -> list[Hold]:
    """Return all held accounts, the latest first."""
    rows = connection.execute(select(account_hold).order_by(account_hold.c.held_at.desc()))
    return [Hold(**row._mapping) for row in rows]


def on_hold_among(connection: Connection, account_ids: Sequence[str]) -> set[str]:
    """Return those of some accounts that are held."""
    held: set[str] = set()
    for start in range(0, len(account_ids), BATCH):
        some = account_ids[start : start + BATCH]
        held.update(
            connection.execute(select(account_hold.c.account_id).where(account_hold.c.account_id.in_(some))).scalars()
        )
    return held


def stream_on_hold(connection: Connection) -> Generator[tuple[str, bool], None, None]:
    """Yield (account_id, True) of every held account, sorted."""
    query = select(account_hold.c.account_id).order_by(account_hold.c.account_id)
    with connection.execute(query, execution_options={"yield_per": BATCH}) as rows:
        for row in rows:
            yield row.account_id, True
