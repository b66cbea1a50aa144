"""Check a name and a password. Whatever is wrong, the answer outside is one and costs one bind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.audit.sampler import EventSampler
from idp.clock import Clock
from idp.db.databases import Databases
from idp.db.raw import RawStore
from idp.drivers.ldap import Directory
from idp.errors import BadCredentials, IdpError, InputTooLong, TargetError, TargetUnavailable
from idp.people.account_queries import Account, find_account
from idp.people.directory import DirectorySettings
from idp.people.settings import PeopleSettings
from idp.sso.concurrency import ConcurrencyLimiter, TooBusy
from idp.sso.identifiers import Identifier, tell_apart
from idp.sso.login_throttle import CaptchaDue, LoginAttempt, LoginThrottle, TooSoon
from idp.sso.sessions import Browser
from idp.text import normalize

log = structlog.get_logger(__name__)

MAX_PASSWORD_BYTES = 128
MAX_TYPED_BYTES = 4 * MAX_PASSWORD_BYTES  # a keyboard that sends letters and accents apart needs more bytes
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
    TOO_SOON = "too_soon"
    CAPTCHA_DUE = "captcha_due"
    TOO_BUSY = "too_busy"


NOT_LOOKED_AT: Mapping[type[IdpError], Reason] = {
    TooSoon: Reason.TOO_SOON,
    CaptchaDue: Reason.CAPTCHA_DUE,
    TooBusy: Reason.TOO_BUSY,
    TargetUnavailable: Reason.UNAVAILABLE,
}


class RefusedSignIn(BadCredentials):
    """The one refusal that people see; the next form asks for the CAPTCHA, or not."""

    def __init__(self, captcha_due: bool) -> None:
        super().__init__()
        self.captcha_due = captcha_due


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """What a check needs: where accounts are, who holds the passwords, how people name themselves."""

    databases: Databases
    raw_store: RawStore
    directory: Directory
    layout: DirectorySettings
    people: PeopleSettings
    clock: Clock
    throttle: LoginThrottle
    limiter: ConcurrencyLimiter
    not_looked_at: EventSampler = field(default_factory=EventSampler)

    def __call__(self, name: str, password: str, browser: Browser, *, is_person: bool = False) -> Account:
        """Return the account that `name` and `password` open.

        Shape:   is_person: the CAPTCHA was answered
        Effect:  sign_in.refused with its reason; the event of success is written with the session
        Raises:  RefusedSignIn for every wrong pair; TooSoon, CaptchaDue, TooBusy before the password is looked at;
                 TargetUnavailable when the directory does not answer in time
        """
        identifier = tell_apart(name, self.people.mail_domain, self.people.alias_prefix)
        account = self._find(identifier)
        attempt = _attempt(identifier, account, browser)
        try:
            with self.limiter.slot(attempt.key, self.throttle.widest_network(browser.network)):
                # In the slot and not before: failures of the meantime count already.
                self.throttle.admit(attempt, is_person=is_person)
                return self._check(identifier, account, password, browser, attempt)
        except (TooSoon, CaptchaDue, TooBusy, TargetUnavailable) as refusal:
            self._record_sampled(NOT_LOOKED_AT[type(refusal)], identifier, account, browser)
            raise

    def _check(
        self,
        identifier: Identifier | None,
        account: Account | None,
        password: str,
        browser: Browser,
        attempt: LoginAttempt,
    ) -> Account:
        secret = normalized_password(password)
        reason = refused_before_bind(identifier, account, secret)
        if not self._bind(account, secret, decoy=reason is not None):
            reason = reason or Reason.WRONG_PASSWORD
        if reason is not None or account is None:
            self._record(reason or Reason.UNKNOWN, identifier, account, browser, failed=attempt)
            raise RefusedSignIn(self.throttle.captcha_is_due(attempt))
        return account

    def _find(self, identifier: Identifier | None) -> Account | None:
        if identifier is None:
            return None
        with self.databases.identity.read() as connection:
            return find_account(connection, identifier.key, identifier.value)

    def _bind(self, account: Account | None, secret: str, *, decoy: bool) -> bool:
        """Bind as the person, or, where the answer is no already, as the decoy: the same work, and never a yes.

        A no is followed by a look at the lock: a locked entry refuses before any hash is computed, which would show.
        """
        if decoy or account is None:
            dn = self.layout.decoy_dn
            self._bind_decoy(secret)
        else:
            dn = self.layout.person_dn(account.uid)
            if self.directory.bind(dn, secret):
                return True
        self._make_up_for_the_lock(dn, secret)
        return False

    def _make_up_for_the_lock(self, dn: str, secret: str) -> None:
        try:
            if self.directory.is_locked(dn):
                self._bind_decoy(secret)
        except TargetError as error:  # the no stands, and counts, whatever our own account may read
            log.warning("lock not read", code=error.code, why=str(error))

    def _bind_decoy(self, secret: str) -> None:
        self.directory.bind(self.layout.decoy_dn, secret if has_good_form(secret) else NO_PASSWORD)

    def _record_sampled(
        self, reason: Reason, identifier: Identifier | None, account: Account | None, browser: Browser
    ) -> None:
        """Record what costs nothing to cause: once an hour for each account, or network where there is none."""
        about = account.account_id if account else browser.network
        if self.not_looked_at.count(f"{reason}:{about}", self.clock.timestamp()):
            self._record(reason, identifier, account, browser)

    def _record(
        self,
        reason: Reason,
        identifier: Identifier | None,
        account: Account | None,
        browser: Browser,
        failed: LoginAttempt | None = None,
    ) -> None:
        # Not what was typed: people type passwords into the wrong field.
        data = {"by": identifier.key if identifier else "", "network": browser.network[:64]}
        subject = account.account_id if account else ""
        now = self.clock.timestamp()
        with self.raw_store.lend() as raw, raw.transaction():
            add_events(raw, [row(Event(event_types.SIGN_IN_REFUSED, subject, subject, reason, data), now)])
            if failed is not None:
                self.throttle.note_failure(raw, failed, now)


def _attempt(identifier: Identifier | None, account: Account | None, browser: Browser) -> LoginAttempt:
    """A name that nobody has is counted like an account: outside, both behave alike."""
    typed = f"{identifier.key}:{identifier.value}" if identifier else ""
    account_id = account.account_id if account else ""
    return LoginAttempt(account_id or typed, account_id, browser.network, browser.devices)


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


def normalized_password(password: str) -> str:
    """Return a password in the form in which it was hashed; "" for one that is too long to be right."""
    try:
        return normalize(password, max_bytes=MAX_TYPED_BYTES)
    except InputTooLong:
        return ""


def has_good_form(secret: str) -> bool:
    """Tell whether a password may go on the wire.

    An empty one would be an "unauthenticated bind", which some servers answer with success (RFC 4513, 5.1.2); NUL ends
    the text for some hashes; longer than any that we set cannot be right.
    """
    return 0 < len(secret.encode("utf-8", "surrogatepass")) <= MAX_PASSWORD_BYTES and "\0" not in secret
