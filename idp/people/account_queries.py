"""Accounts, the right to sign in: found by what a person types, closed and opened."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, exists, select, true, update
from sqlalchemy import Row as SqlRow

from idp.db.bulk import BATCH, among, rows_among
from idp.db.locks import wait_for_lock
from idp.errors import LastAdministrator
from idp.people.merge_queries import kept_for
from idp.people.tables import account, account_lock, address, person
from idp.people.values import AccountKind, Album, album_number

ADMINISTRATOR = "administrator"  # the role that no installation may lose


class Key(StrEnum):
    """By what an account can be found."""

    UID = "uid"
    MAIL = "mail"
    ALBUM = "album"


@dataclass(frozen=True, slots=True)
class Account:
    """One account; its `account_id` is the person_id."""

    account_id: str
    kind: str  # student | staff
    uid: str
    role: str
    display_name: str
    mail: str
    enabled: bool
    epoch: int
    is_claimed: bool
    language: str


_COLUMNS = (
    account.c.account_id,
    account.c.kind,
    account.c.uid,
    account.c.role,
    account.c.display_name,
    account.c.mail,
    account.c.enabled,
    account.c.epoch,
    account.c.claimed_at,
    account.c.language,
)


def unclaim(connection: Connection, account_ids: Sequence[str]) -> None:
    """Take students' claims of their accounts back: whoever returns claims again. Their sessions end."""
    mine = update(account).where(
        among(connection, account.c.account_id, account_ids), account.c.kind == AccountKind.STUDENT
    )
    connection.execute(mine.where(account.c.claimed_at.is_not(None)).values(claimed_at=None, epoch=account.c.epoch + 1))


def find_account(connection: Connection, key: Key, value: str) -> Account | None:
    """Return the account of the person whom `value` names. Names of a merged record name the kept person.

    Shape:   value in lower case: a uid, a whole mail address, or an album's digits (leading zeros mean nothing)
    """
    named = find_account_of_record(connection, key, value)
    if named is None:
        return None
    kept = kept_for(connection, [named.account_id])
    return load_account(connection, kept[0]) if kept else named


def find_account_of_record(connection: Connection, key: Key, value: str) -> Account | None:
    """Return the account of the record that `value` names, merged or not. Shape: as `find_account`"""
    query = select(*_COLUMNS)
    match key:
        case Key.UID:
            query = query.where(account.c.uid == value)
        case Key.ALBUM:
            query = query.join(person, person.c.person_id == account.c.account_id).where(
                person.c.album_number == album_number(Album(value))
            )
        case Key.MAIL:
            query = query.outerjoin(address, address.c.person_id == account.c.account_id).where(
                address.c.address == value
            )
    found = connection.execute(query).one_or_none()
    if found is None and key is Key.MAIL:
        staff = select(*_COLUMNS).where(account.c.mail == value)
        found = connection.execute(staff).one_or_none()
    return None if found is None else _account(found)


def load_account(connection: Connection, account_id: str) -> Account | None:
    """Return one account by its key."""
    found = connection.execute(select(*_COLUMNS).where(account.c.account_id == account_id)).one_or_none()
    return None if found is None else _account(found)


def administrators(connection: Connection) -> set[str]:
    """Return the accounts of administrators who may sign in."""
    query = select(account.c.account_id).where(
        account.c.role == ADMINISTRATOR, account.c.claimed_at.is_not(None), account.c.enabled
    )
    return set(connection.execute(query).scalars())


def last_administrators(connection: Connection, closing: Collection[str]) -> set[str]:
    """Return all administrators if everyone is among the accounts that are to be closed, else nobody.

    Effect:  until this transaction ends, nobody else decides about closing an administrator
    """
    if not administrators(connection) & set(closing):
        return set()
    wait_for_lock(connection, "administrators")
    found = administrators(connection)
    return found if found <= set(closing) else set()


def refuse_last_administrator(connection: Connection, found: Account) -> None:
    """Return unless nobody could administer idp any more without this account.

    Raises:  LastAdministrator
    """
    if found.role != ADMINISTRATOR:
        return
    wait_for_lock(connection, "administrators")  # else two acts at once could each count on the other's administrator
    if administrators(connection) == {found.account_id}:
        raise LastAdministrator(f"{found.display_name} is the last administrator; invite another one first")


@dataclass(frozen=True, slots=True)
class AccountData:
    """What a person's snapshot says about the account."""

    role: str = ""
    language: str = ""
    contact_mail: str = ""  # where staff are written to; no address of ours
    is_claimed: bool = False


NO_ACCOUNT = AccountData()
_DATA = (account.c.account_id, account.c.role, account.c.language, account.c.mail, account.c.claimed_at.is_not(None))


def account_data_among(connection: Connection, account_ids: Sequence[str]) -> dict[str, AccountData]:
    """Return the data of those of some accounts that exist."""
    rows = rows_among(connection, select(*_DATA), account.c.account_id, account_ids)
    return {row[0]: AccountData(*row[1:]) for row in rows}


def set_enabled(connection: Connection, account_id: str, enabled: bool) -> bool:
    """Open or close an account and return whether that changed anything.

    Effect:  a change raises the epoch, so that no session from before counts any more; a repeat is harmless
    """
    changed = connection.execute(
        update(account)
        .where(account.c.account_id == account_id, account.c.enabled.is_not(enabled))
        .values(enabled=enabled, epoch=account.c.epoch + 1)
    )
    return changed.rowcount > 0


def _account(row: SqlRow[*tuple[Any, ...]]) -> Account:
    return Account(
        account_id=row.account_id,
        kind=row.kind,
        uid=row.uid,
        role=row.role,
        display_name=row.display_name,
        mail=row.mail,
        enabled=row.enabled,
        epoch=row.epoch,
        is_claimed=row.claimed_at is not None,
        language=row.language,
    )


# --- many accounts ---------------------------------------------------------------------------------------------------

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
    yield from (Switch(*row) for row in rows_among(connection, query, account.c.account_id, account_ids))


def is_name_of_others(connection: Connection, uid: str, account_id: str) -> bool:
    """Return whether an account of this name is somebody else's."""
    query = select(account.c.account_id).where(account.c.uid == uid, account.c.account_id != account_id)
    return connection.execute(query).first() is not None


def open_or_close(connection: Connection, wanted: Mapping[str, bool]) -> None:
    """Open or close accounts, by account_id whether it is to be open.

    Effect:  a change raises the epoch, so that no session from before counts any more; a repeat is harmless. An account
             that a human locked is not opened
    """
    is_locked = exists().where(account_lock.c.account_id == account.c.account_id)
    for is_open in (True, False):
        differs = account.c.enabled.is_not(is_open) | (account.c.epoch == NEVER_OPENED)
        may_be = ~is_locked if is_open else true()
        changed = update(account).where(account.c.account_id == bindparam("of"), differs, may_be)
        if rows := [{"of": account_id} for account_id, should in wanted.items() if should is is_open]:
            connection.execute(changed.values(enabled=is_open, epoch=account.c.epoch + 1), rows)
