"""Accounts as a system that is provisioned: which were ever opened, which are open; open or close many."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, exists, or_, select, update

from idp.people.tables import account, account_lock

BATCH = 1000  # rows per statement: below every driver's limit of bound values
# An import writes a new account closed and with this epoch: nobody has decided yet that it may be opened.
NEVER_OPENED = 0


class Switch(NamedTuple):
    """One account that was opened at least once."""

    account_id: str
    uid: str
    is_open: bool


def switches(connection: Connection, account_ids: Sequence[str] | None = None) -> Iterator[Switch]:
    """Yield accounts that were ever opened, all or some, in no order, never holding them all."""
    query = select(account.c.account_id, account.c.uid, account.c.enabled).where(account.c.epoch > NEVER_OPENED)
    if account_ids is None:
        with connection.execute(query, execution_options={"yield_per": BATCH}) as rows:
            for row in rows:
                yield Switch(*row)
        return
    for start in range(0, len(account_ids), BATCH):
        some = account_ids[start : start + BATCH]
        yield from (Switch(*row) for row in connection.execute(query.where(account.c.account_id.in_(some))))


def is_name_of_others(connection: Connection, uid: str, account_id: str) -> bool:
    """Return whether an account of this name is somebody else's."""
    query = select(account.c.account_id).where(account.c.uid == uid, account.c.account_id != account_id)
    return connection.execute(query).first() is not None


def turn(connection: Connection, wanted: Iterable[tuple[str, bool]]) -> None:
    """Open or close accounts, for each (account_id, whether it is to be open).

    Effect:  a change raises the epoch, so that no session from before counts any more; a repeat is harmless. An account
             that a human locked is not opened
    """
    wanted = list(wanted)
    _turn(connection, [account_id for account_id, is_open in wanted if is_open], is_open=True)
    _turn(connection, [account_id for account_id, is_open in wanted if not is_open], is_open=False)


def _turn(connection: Connection, account_ids: Sequence[str], *, is_open: bool) -> None:
    if not account_ids:
        return
    is_locked = exists().where(account_lock.c.account_id == account.c.account_id)
    turned = (
        update(account)
        .where(
            account.c.account_id == bindparam("of"),
            or_(account.c.enabled.is_not(is_open), account.c.epoch == NEVER_OPENED),
        )
        .values(enabled=is_open, epoch=account.c.epoch + 1)
    )
    if is_open:
        turned = turned.where(~is_locked)
    rows: list[dict[str, Any]] = [{"of": account_id} for account_id in account_ids]
    connection.execute(turned, rows)
