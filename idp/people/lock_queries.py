"""Locks on accounts: what humans decided, whatever the records say. An account may have one lock of each owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from idp.db.bulk import insert_once, rows_among
from idp.people.tables import account_lock
from idp.people.values import LockOwner


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock on an account."""

    account_id: str
    owner: LockOwner
    locked_by: str
    reason: str
    locked_at: datetime
    ends_at: datetime | None = None


def add_lock(connection: Connection, new: Lock) -> bool:
    """Write a lock; False when its owner has one on the account already."""
    return insert_once(connection, account_lock, {column.name: getattr(new, column.name) for column in account_lock.c})


def remove_lock(connection: Connection, account_id: str, owner: LockOwner) -> bool:
    """Remove an owner's lock; False when there is none."""
    own = delete(account_lock).where(account_lock.c.account_id == account_id, account_lock.c.owner == owner.value)
    return connection.execute(own).rowcount == 1


def list_locks(connection: Connection) -> list[Lock]:
    """Return all locks, the latest first."""
    rows = connection.execute(select(account_lock).order_by(account_lock.c.locked_at.desc(), account_lock.c.owner))
    return [_lock(row._mapping) for row in rows]


def locks_of(connection: Connection, account_id: str) -> list[Lock]:
    """Return the locks on an account, sorted by owner."""
    query = select(account_lock).where(account_lock.c.account_id == account_id).order_by(account_lock.c.owner)
    return [_lock(row._mapping) for row in connection.execute(query)]


def ended_locks(connection: Connection, now: datetime, limit: int) -> list[Lock]:
    """Return locks whose end has come, the earliest first."""
    query = select(account_lock).where(account_lock.c.ends_at <= now).order_by(account_lock.c.ends_at).limit(limit)
    return [_lock(row._mapping) for row in connection.execute(query)]


def locked_among(connection: Connection, account_ids: Sequence[str]) -> set[str]:
    """Return those of some accounts that are locked."""
    column = account_lock.c.account_id
    return {row[0] for row in rows_among(connection, select(column), column, account_ids)}


def _lock(row: object) -> Lock:
    columns = dict(row)  # type: ignore[call-overload]  # a mapping of the columns
    return Lock(**{**columns, "owner": LockOwner(columns["owner"])})
