"""Accounts of staff: invited, joined, listed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from idp.people.queries import add_invited_person, set_name
from idp.people.source_queries import PersonSource, add_source
from idp.people.tables import account
from idp.people.values import AccountKind, Source


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
    invitation: str | None = None  # the one that counts


_COLUMNS = (
    account.c.account_id,
    account.c.uid,
    account.c.role,
    account.c.display_name,
    account.c.mail,
    account.c.enabled,
    account.c.claimed_at.label("joined_at"),
    account.c.created_at.label("invited_at"),
    account.c.invitation,
)


def staff_by_mail(connection: Connection, mail: str) -> StaffAccount | None:
    """Return who was invited at this address (lower case)."""
    row = connection.execute(
        select(*_COLUMNS).where(account.c.kind == AccountKind.STAFF, account.c.mail == mail)
    ).one_or_none()
    return None if row is None else StaffAccount(**row._mapping)


def staff_by_id(connection: Connection, account_id: str) -> StaffAccount | None:
    """Return a member of staff by our own key."""
    row = connection.execute(
        select(*_COLUMNS).where(account.c.kind == AccountKind.STAFF, account.c.account_id == account_id)
    ).one_or_none()
    return None if row is None else StaffAccount(**row._mapping)


def list_staff(connection: Connection) -> list[StaffAccount]:
    """Return all staff, sorted by name."""
    rows = connection.execute(
        select(*_COLUMNS).where(account.c.kind == AccountKind.STAFF).order_by(account.c.display_name, account.c.mail)
    )
    return [StaffAccount(**row._mapping) for row in rows]


def add_invited(connection: Connection, new: StaffAccount, language: str) -> None:
    """Write person and account of somebody who was invited: without a source, so nothing is provisioned yet."""
    add_invited_person(connection, new.account_id, new.uid, new.invited_at)
    connection.execute(
        insert(account).values(
            account_id=new.account_id,
            kind=AccountKind.STAFF,
            uid=new.uid,
            role=new.role,
            display_name=new.display_name,
            mail=new.mail,
            enabled=False,
            epoch=0,
            claimed_at=None,
            invitation=new.invitation,
            language=language,
            created_at=new.invited_at,
        )
    )


def invite_again(connection: Connection, account_id: str, role: str, invitation: str) -> StaffAccount | None:
    """Write the role of a new invitation and return the account; None when they joined in the meantime.

    Effect:  no earlier link counts any more
    """
    row = connection.execute(
        update(account)
        .where(account.c.account_id == account_id, account.c.kind == AccountKind.STAFF, account.c.claimed_at.is_(None))
        .values(role=role, invitation=invitation)
        .returning(*_COLUMNS)
    ).one_or_none()
    return None if row is None else StaffAccount(**row._mapping)


def withdraw_invitation(connection: Connection, account_id: str) -> bool:
    """Write that no link counts any more; False when they joined before, or no invitation is open."""
    withdrawn = connection.execute(
        update(account)
        .where(account.c.account_id == account_id, account.c.claimed_at.is_(None), account.c.invitation.is_not(None))
        .values(invitation=None)
    )
    return withdrawn.rowcount == 1


def set_role(connection: Connection, account_id: str, role: str) -> None:
    """Write the role of a member of staff."""
    connection.execute(update(account).where(account.c.account_id == account_id).values(role=role))


def begin_join(connection: Connection, invited: StaffAccount, given_name: str, surname: str, at: datetime) -> bool:
    """Write name and source of somebody who joins, so that targets get an entry; False when the link counts no more.

    Effect:  a repeat is harmless
    """
    is_open = select(account.c.account_id).where(
        account.c.account_id == invited.account_id,
        account.c.claimed_at.is_(None),
        account.c.invitation == invited.invitation,
    )
    if connection.execute(is_open).one_or_none() is None:
        return False
    set_name(connection, invited.account_id, given_name, surname)
    add_source(connection, invited.account_id, PersonSource(Source.STAFF, invited.account_id), at)
    return True


def mark_joined(connection: Connection, invited: StaffAccount, display_name: str, language: str, at: datetime) -> bool:
    """Write that an invited person set a password; False when they joined before, or were invited anew."""
    marked = connection.execute(
        update(account)
        .where(account.c.account_id == invited.account_id, account.c.kind == AccountKind.STAFF)
        .where(account.c.claimed_at.is_(None), account.c.invitation == invited.invitation)
        .values(display_name=display_name, language=language, claimed_at=at, invitation=None)
    )
    return marked.rowcount == 1
