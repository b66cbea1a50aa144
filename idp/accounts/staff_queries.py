"""Accounts of staff: invited, joined, listed. The registry never touches them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from idp.people.tables import account, ledger

STAFF = "staff"


@dataclass(frozen=True, slots=True)
class StaffAccount:
    """One member of staff; invited and not yet joined while `joined_at` is None."""

    account_id: str
    uid: str
    role: str
    display_name: str
    mail: str
    enabled: bool
    joined_at: datetime | None
    invited_at: datetime
    epoch: int = 1


_COLUMNS = (
    account.c.account_id,
    account.c.uid,
    account.c.role,
    account.c.display_name,
    account.c.mail,
    account.c.enabled,
    account.c.claimed_at.label("joined_at"),
    account.c.created_at.label("invited_at"),
    account.c.epoch,
)


def staff_by_mail(connection: Connection, mail: str) -> StaffAccount | None:
    """Return who was invited at this address (lower case)."""
    row = connection.execute(select(*_COLUMNS).where(account.c.kind == STAFF, account.c.mail == mail)).one_or_none()
    return None if row is None else StaffAccount(**row._mapping)


def staff_by_id(connection: Connection, account_id: str) -> StaffAccount | None:
    """Return a member of staff by our own key."""
    row = connection.execute(
        select(*_COLUMNS).where(account.c.kind == STAFF, account.c.account_id == account_id)
    ).one_or_none()
    return None if row is None else StaffAccount(**row._mapping)


def list_staff(connection: Connection) -> list[StaffAccount]:
    """Return all staff, sorted by name."""
    rows = connection.execute(
        select(*_COLUMNS).where(account.c.kind == STAFF).order_by(account.c.display_name, account.c.mail)
    )
    return [StaffAccount(**row._mapping) for row in rows]


def add_invited(connection: Connection, new: StaffAccount, language: str) -> None:
    """Write the account of somebody who was invited: closed until they join. The uid is theirs for ever."""
    connection.execute(
        insert(account).values(
            account_id=new.account_id,
            kind=STAFF,
            uid=new.uid,
            role=new.role,
            display_name=new.display_name,
            mail=new.mail,
            enabled=False,
            epoch=new.epoch,
            claimed_at=None,
            language=language,
            created_at=new.invited_at,
        )
    )
    connection.execute(
        insert(ledger).values(kind="uid", value=new.uid, owner_id=new.account_id, given_at=new.invited_at)
    )


def invite_again(connection: Connection, account_id: str, role: str) -> StaffAccount | None:
    """Write the role of a new invitation and return the account; None when they joined in the meantime.

    Effect:  the epoch is raised, so that no earlier link counts any more
    """
    row = connection.execute(
        update(account)
        .where(account.c.account_id == account_id, account.c.kind == STAFF, account.c.claimed_at.is_(None))
        .values(role=role, epoch=account.c.epoch + 1)
        .returning(*_COLUMNS)
    ).one_or_none()
    return None if row is None else StaffAccount(**row._mapping)


def mark_joined(connection: Connection, invited: StaffAccount, display_name: str, language: str, at: datetime) -> bool:
    """Open the account of somebody who was invited; False when they joined before, or were invited anew."""
    marked = connection.execute(
        update(account)
        .where(account.c.account_id == invited.account_id, account.c.kind == STAFF)
        .where(account.c.claimed_at.is_(None), account.c.epoch == invited.epoch)
        .values(display_name=display_name, language=language, enabled=True, claimed_at=at)
    )
    return marked.rowcount == 1
