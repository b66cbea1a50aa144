"""Staff: invited on the machine, joined by a single-use link.

A member of staff is a person with the source `staff`. Targets get their entries by provisioning, as those of students.
"""

import random
from dataclasses import dataclass, replace
from uuid import uuid4

from sqlalchemy import Connection

from idp.accounts.holding import one_at_a_time
from idp.accounts.locks import lock_and_sign_out, unlock_account
from idp.accounts.password_writer import PasswordWriter
from idp.accounts.passwords import prepared, weakness_of
from idp.accounts.settings import AccountsSettings
from idp.accounts.staff_queries import (
    StaffAccount,
    add_invited,
    begin_join,
    invite_again,
    mark_joined,
    set_role,
    staff_by_id,
    staff_by_mail,
    withdraw_invitation,
)
from idp.audit import event_types
from idp.audit.events import Event, new_id, record
from idp.clock import Clock
from idp.db import one_time as onetime
from idp.db.databases import Databases
from idp.db.outbox import Message
from idp.db.raw import RawStore
from idp.errors import (
    Conflict,
    InvalidAddress,
    InvalidInput,
    InvalidPassword,
    NotFound,
)
from idp.keys.key_files import Keys
from idp.letters.outgoing import queue_letter, require_address
from idp.people.account_queries import load_account, refuse_last_administrator
from idp.people.change_queries import queue_recompute
from idp.people.identifiers import new_uid
from idp.people.lock_queries import Lock, locks_of
from idp.people.names import clean_name, fault_of
from idp.people.queries import uids_given_among
from idp.people.source_queries import remove_source
from idp.people.values import LockOwner, Priority, Source
from idp.permissions import Actor, Permission, Role
from idp.sso.sessions import Ended, end_all

PURPOSE = "staff"
LETTER = "staff_invite"
DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a living link says, and about whom."""

    account: StaffAccount
    given_name: str
    surname: str


@dataclass(frozen=True, slots=True)
class Enabled:
    """What became of an attempt to enable a member of staff."""

    account: StaffAccount
    was_disabled: bool
    locks: list[Lock]  # those that remain, of other owners


@dataclass(frozen=True, slots=True)
class StaffService:
    """Invite and join, and what they need."""

    databases: Databases
    raw_store: RawStore
    keys: Keys
    settings: AccountsSettings
    clock: Clock
    password_writer: PasswordWriter
    student_domain: str
    base_url: str
    language: str

    def invite(self, mail: str, role: Role, given_name: str, surname: str, actor: Actor) -> str:
        """Return the single-use link for a new member of staff; it is queued as a letter, too.

        Raises:  NotAllowed; InvalidAddress; Conflict when somebody with this address has joined
        Effect:  a closed account, staff.invited and a letter in one transaction. Inviting again gives a new link and
                 takes the older ones away.
        """
        actor.require(Permission.STAFF_MANAGE)
        mail = mail.strip().lower()
        require_address(mail)
        if mail.endswith(f"@{self.student_domain}"):
            raise InvalidAddress("an address of the students' domain is a student's")
        with self.databases.identity.write() as connection:
            invited = self._invited_account(connection, mail, role)
            token = self._issue_token(invited, given_name, surname)
            link = f"{self.base_url}/staff/join/{token}"
            days = round(self.settings.invitation_s / DAY_S)
            queue_letter(
                connection,
                self.keys,
                self.clock,
                kind=LETTER,
                once_key=f"{LETTER}:{onetime.hash_of(token)}",
                person_id=invited.account_id,
                to=mail,
                language=self.language,
                data={"given_name": given_name, "link": link, "days": days},
            )
            event = Event(
                event_types.STAFF_INVITED, invited.account_id, actor.actor_id, data={"mail": mail, "role": role}
            )
            record(connection, self.clock.timestamp(), event)
        return link

    def invitation(self, token: str) -> Invitation:
        """Return what a link says.

        Raises:  NotFound when it was never given, is too old, was used, or a newer one was given
        """
        with self.databases.sessions.read() as connection:
            data = onetime.peek(connection, PURPOSE, token, self.clock.timestamp())
        with self.databases.identity.read() as connection:
            account = staff_by_id(connection, str(data["account_id"])) if data else None
        if data is None or account is None or account.invitation is None or data["invitation"] != account.invitation:
            raise NotFound("no such invitation")
        return Invitation(account, str(data["given_name"]), str(data["surname"]))

    def join(self, token: str, given_name: str, surname: str, password: str, language: str) -> StaffAccount:
        """Open the account of an invited member of staff.

        Raises:  NotFound as `invitation`; InvalidInput with the word of a wrong name; InvalidPassword with the rule's
                 word; Conflict when it is being done in another window; TargetUnavailable, and then the link lives on
        Effect:  name and source `staff`, then the directory entry and its password, then staff.joined and password.set
                 in the transaction that uses the link up. Killed in between, it can simply be repeated.
        """
        account = self.invitation(token).account
        given_name, surname = _checked_name(given_name), _checked_name(surname)
        if not surname:
            raise InvalidInput("surname_missing")
        password = self._checked_password(account, f"{given_name} {surname}", password)
        with one_at_a_time(self.databases, self.clock, f"{PURPOSE}:{account.account_id}"):
            account = self.invitation(token).account
            self._begin(account, given_name, surname)
            self.password_writer.write(account.account_id, account.uid, password)
            self._finish(account, f"{given_name} {surname}".strip(), language)
        with self.databases.sessions.write() as connection:
            onetime.consume(connection, PURPOSE, token, self.clock.timestamp())
        return account

    def disable(self, mail: str, actor: Actor) -> tuple[StaffAccount, list[Message]]:
        """Lock the account of a member of staff, and return it with the sign-out messages of its sessions.

        Raises:  NotAllowed; NotFound; Conflict when they have not joined; LastAdministrator
        Effect:  a lock of the owner `staff`, as of any account; a repeat is harmless
        """
        actor.require(Permission.STAFF_MANAGE)
        member = self._joined(mail)
        stores = (self.databases, self.raw_store, self.clock)
        if self._is_disabled(member):
            return member, end_all(*stores[1:], member.account_id, Ended.ACCOUNT_CLOSED, actor)
        return member, lock_and_sign_out(*stores, member.account_id, actor, "staff disabled", LockOwner.STAFF)

    def enable(self, mail: str, actor: Actor) -> Enabled:
        """Remove the lock of the owner `staff` again, and say which locks remain.

        Raises:  NotAllowed; NotFound; Conflict when they have not joined
        Effect:  as `unlock_account`; a repeat is harmless
        """
        actor.require(Permission.STAFF_MANAGE)
        member = self._joined(mail)
        if self._is_disabled(member):
            rest = unlock_account(self.databases, self.clock, member.account_id, actor, LockOwner.STAFF)
            return Enabled(member, was_disabled=True, locks=rest)
        with self.databases.identity.read() as connection:
            return Enabled(member, was_disabled=False, locks=locks_of(connection, member.account_id))

    def change_role(self, mail: str, role: Role, actor: Actor) -> StaffAccount:
        """Give a member of staff another role; it counts in their open sessions, too.

        Raises:  NotAllowed; NotFound; Conflict when they have not joined; LastAdministrator
        Effect:  staff.role_changed, and a live change for the targets that hold the role; a repeat is harmless
        """
        actor.require(Permission.STAFF_MANAGE)
        member = self._joined(mail)
        with self.databases.identity.write() as connection:
            account = load_account(connection, member.account_id)
            assert account is not None  # accounts are not deleted
            if account.role == role:
                return member
            refuse_last_administrator(connection, account)
            set_role(connection, member.account_id, role)
            queue_recompute(connection, [member.account_id], Priority.LIVE)
            data = {"before": account.role, "after": role}
            event = Event(event_types.STAFF_ROLE_CHANGED, member.account_id, actor.actor_id, data=data)
            record(connection, self.clock.timestamp(), event)
        return replace(member, role=role)

    def withdraw(self, mail: str, actor: Actor) -> StaffAccount:
        """Take an invitation back: its link works no more.

        Raises:  NotAllowed; NotFound when nobody with this address is invited; Conflict when they have joined
        Effect:  staff.withdrawn
        """
        actor.require(Permission.STAFF_MANAGE)
        with self.databases.identity.write() as connection:
            account = staff_by_mail(connection, mail.strip().lower())
            if account is not None and account.joined_at is not None:
                raise Conflict(f"{account.mail} has joined already: idp staff disable {account.mail}")
            if account is None or not withdraw_invitation(connection, account.account_id):
                raise NotFound("no invitation to this address is open")
            if remove_source(connection, account.account_id, Source.STAFF):  # of a join that was cut short
                queue_recompute(connection, [account.account_id], Priority.LIVE)
            event = Event(event_types.STAFF_WITHDRAWN, account.account_id, actor.actor_id, data={"mail": account.mail})
            record(connection, self.clock.timestamp(), event)
        return account

    def _joined(self, mail: str) -> StaffAccount:
        with self.databases.identity.read() as connection:
            account = staff_by_mail(connection, mail.strip().lower())
        if account is None:
            raise NotFound("no member of staff has this address")
        if account.joined_at is None:
            raise Conflict(f"{account.mail} has not joined yet")
        return account

    def _is_disabled(self, member: StaffAccount) -> bool:
        with self.databases.identity.read() as connection:
            return any(lock.owner is LockOwner.STAFF for lock in locks_of(connection, member.account_id))

    def _invited_account(self, connection: Connection, mail: str, role: Role) -> StaffAccount:
        known = staff_by_mail(connection, mail)
        if known is not None and known.joined_at is not None:
            raise Conflict(f"{mail} has joined already")
        if known is not None:
            again = invite_again(connection, known.account_id, role, new_id())
            if again is None:
                raise Conflict(f"{mail} has joined already")
            return again
        new = StaffAccount(
            account_id=uuid4().hex,
            uid=_fresh_uid(connection),
            role=role,
            display_name=mail,
            mail=mail,
            enabled=False,
            joined_at=None,
            invited_at=self.clock.now(),
            invitation=new_id(),
        )
        add_invited(connection, new, self.language)
        return new

    def _issue_token(self, invited: StaffAccount, given_name: str, surname: str) -> str:
        names = {"given_name": given_name, "surname": surname}
        data = {"account_id": invited.account_id, "invitation": invited.invitation, **names}
        with self.databases.sessions.write() as connection:
            return onetime.issue(connection, PURPOSE, data, self.clock.timestamp() + self.settings.invitation_s)

    def _checked_password(self, account: StaffAccount, name: str, password: str) -> str:
        password = prepared(password)
        own = (*name.split(), account.mail.partition("@")[0], account.uid)
        weakness = weakness_of(password, own, self.settings.password_words, self.settings.password_min_length)
        if weakness is not None:
            raise InvalidPassword(weakness.value)
        return password

    def _begin(self, account: StaffAccount, given_name: str, surname: str) -> None:
        with self.databases.identity.write() as connection:
            if not begin_join(connection, account, given_name, surname, self.clock.now()):
                raise Conflict("this invitation was used in another window")
            queue_recompute(connection, [account.account_id], Priority.LIVE)

    def _finish(self, account: StaffAccount, name: str, language: str) -> None:
        now = self.clock.now()
        with self.databases.identity.write() as connection:
            if not mark_joined(connection, account, name, language, now):
                raise Conflict("this invitation was used in another window")
            queue_recompute(connection, [account.account_id])  # whoever can sign in has a stored view
            for word in (event_types.PASSWORD_SET, event_types.STAFF_JOINED):
                event = Event(word, account.account_id, account.account_id, data={"role": account.role})
                record(connection, now.timestamp(), event)


def _fresh_uid(connection: Connection) -> str:
    while True:
        uid = new_uid(random.SystemRandom())
        if not uids_given_among(connection, [uid]):
            return uid


def _checked_name(text: str) -> str:
    name = clean_name(text)
    fault = fault_of(name)
    if fault is not None:
        raise InvalidInput(fault.value)
    return name
