"""Check a name and a password. Whatever is wrong, the answer outside is one and costs one bind."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from idp.audit import words
from idp.audit.events import Event, row
from idp.clock import Clock
from idp.drivers.ldap import Directory
from idp.errors import BadCredentials, TargetUnavailable
from idp.people.directory import DirectorySettings
from idp.people.settings import PeopleSettings
from idp.sso.identifiers import Identifier, tell_apart
from idp.sso.sessions import Browser
from idp.store import sessions as store
from idp.store.accounts import Account, find_account
from idp.store.base import Databases
from idp.store.raw import RawStore

MAX_PASSWORD_BYTES = 128
NO_PASSWORD = "-"  # noqa: S105 - bound to the decoy in place of what must not reach the wire


class Reason(StrEnum):
    """Why a sign-in was refused: in the journal only."""

    UNREADABLE = "unreadable_identifier"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    UNCLAIMED = "unclaimed"
    PASSWORD_FORM = "password_form"  # noqa: S105 - empty or too long
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a word of the journal
    UNAVAILABLE = "directory_unavailable"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """What a check needs: where accounts are, who holds the passwords, how people name themselves."""

    databases: Databases
    raw_store: RawStore
    directory: Directory
    layout: DirectorySettings
    people: PeopleSettings
    clock: Clock

    def __call__(self, name: str, password: str, browser: Browser) -> Account:
        """Return the account that `name` and `password` open.

        Effect:  sign_in.refused with its reason; the event of success is written with the session
        Raises:  BadCredentials for every refusal; TargetUnavailable when the directory does not answer in time
        """
        identifier = tell_apart(name, self.people.mail_domain, self.people.alias_prefix)
        account = self._find(identifier)
        secret = unicodedata.normalize("NFC", password)
        reason = refused_before_bind(identifier, account, secret)
        try:
            if not self._bind(account, secret, decoy=reason is not None):
                reason = reason or Reason.WRONG_PASSWORD
        except TargetUnavailable:
            self._record(Reason.UNAVAILABLE, identifier, account, browser)
            raise
        if reason is not None or account is None:
            self._record(reason or Reason.UNKNOWN, identifier, account, browser)
            raise BadCredentials
        return account

    def _find(self, identifier: Identifier | None) -> Account | None:
        if identifier is None:
            return None
        with self.databases.identity.read() as connection:
            return find_account(connection, identifier.key, identifier.value)

    def _bind(self, account: Account | None, secret: str, *, decoy: bool) -> bool:
        """Bind as the person, or, where the answer is no already, as the decoy: the same work, and never a yes."""
        if decoy or account is None:
            self.directory.bind(self.layout.decoy_dn, secret if has_good_form(secret) else NO_PASSWORD)
            return False
        dn = self.layout.staff_member_dn(account.uid) if account.is_staff else self.layout.person_dn(account.uid)
        return self.directory.bind(dn, secret)

    def _record(self, reason: Reason, identifier: Identifier | None, account: Account | None, browser: Browser) -> None:
        # Not what was typed: people type passwords into the wrong field.
        data = {"by": identifier.key if identifier else "", "network": browser.network[:64]}
        subject = account.account_id if account else ""
        now = self.clock.timestamp()
        with self.raw_store.lend() as raw:
            store.add_events(raw, [row(Event(words.SIGN_IN_REFUSED, subject, subject, reason, data), now)])


def refused_before_bind(identifier: Identifier | None, account: Account | None, secret: str) -> Reason | None:
    """Return why the answer is no whatever the directory says, or None when the password decides."""
    if identifier is None:
        return Reason.UNREADABLE
    if account is None:
        return Reason.UNKNOWN
    if not account.enabled:
        return Reason.DISABLED
    if not account.is_claimed:
        return Reason.UNCLAIMED
    return None if has_good_form(secret) else Reason.PASSWORD_FORM


def has_good_form(secret: str) -> bool:
    """Tell whether a password may go on the wire.

    An empty one would be an "unauthenticated bind", which some servers answer with success (RFC 4513, 5.1.2); NUL ends
    the text for some hashes; longer than any that we set cannot be right.
    """
    return 0 < len(secret.encode("utf-8", "surrogatepass")) <= MAX_PASSWORD_BYTES and "\0" not in secret
