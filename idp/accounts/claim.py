"""Claim an account: album number and details first, then the password. What stands between the two steps is ours."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from idp.accounts import attempt_queries as attempts
from idp.accounts.claim_queries import Claimable, claimable_by_album, claimable_by_id, mark_claimed
from idp.accounts.holding import one_at_a_time
from idp.accounts.matching import Details, matches
from idp.accounts.password_writer import PasswordWriter
from idp.accounts.passwords import prepared, weakness_of
from idp.accounts.settings import AccountsSettings
from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db import one_time as onetime
from idp.db.databases import Databases
from idp.errors import BadCredentials, Conflict, InvalidPassword, NotFound, TooManyAttempts
from idp.keys.key_files import Keys
from idp.people.change_queries import queue_recompute
from idp.people.national_ids import DOCUMENT_END_USE, PESEL_END_USE, last_four
from idp.people.status import local_date
from idp.people.values import Album, album_number
from idp.sso.settings import ThrottleSettings
from idp.sso.throttle import Network, networks_of

PURPOSE = "claim"
# Compared with where nobody has the album number, so that this takes the same work.
NOBODY = Claimable("", "", "", "", "", "", "", "", None, None, None, False, None)


class Reason(StrEnum):
    """Why a claim was refused: in the journal only."""

    TOO_MANY_ATTEMPTS = "too_many_attempts"
    NETWORK = "too_many_from_network"
    UNKNOWN_ALBUM = "unknown_album"
    DETAILS = "details_do_not_match"
    CLAIMED = "already_claimed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed beside the album number."""

    given_name: str = ""
    surname: str = ""
    date_of_birth: date | None = None
    id_end: str = ""


@dataclass(frozen=True, slots=True)
class ClaimAttempt:
    """What a claim is counted under."""

    number: str
    address: str
    networks: tuple[Network, ...]  # none: failures count by album number only
    day: date


@dataclass(frozen=True, slots=True)
class Claims:
    """Both steps of a claim, and what they need."""

    databases: Databases
    keys: Keys
    settings: AccountsSettings
    throttle: ThrottleSettings  # what is one network, and which ones many people share
    clock: Clock
    zone: ZoneInfo
    password_writer: PasswordWriter

    def match(self, album: Album, typed: Typed, address: str) -> str:
        """Return the token of the second step.

        Shape:   address: of whoever asks; one network may use up the attempts of a few album numbers, and not of all
        Raises:  BadCredentials, the same whatever was wrong; TooManyAttempts, known album number or not
        Effect:  the attempt is counted first, so that no number of parallel tries gets past the album's limit;
                 claim.matched or claim.refused with its reason
        """
        now = self.clock.now()
        networks = networks_of(address, self.throttle) if self.throttle.enabled else ()
        one = ClaimAttempt(album_number(album), address, networks, local_date(now, self.zone))
        if (too_many := self._count(one)) is not None:
            self._refuse(too_many, "", one)
            raise TooManyAttempts
        with self.databases.identity.read() as connection:
            found = claimable_by_album(connection, one.number)
        reason = self._reason_to_refuse(found, typed)
        if reason is not None or found is None:
            self._refuse(reason or Reason.UNKNOWN_ALBUM, found.person_id if found else "", one)
            raise BadCredentials
        with self.databases.sessions.write() as connection:
            record(connection, now.timestamp(), Event(event_types.CLAIM_MATCHED, subject=found.person_id))
            expires_at = now.timestamp() + self.settings.claim_step_s
            return onetime.issue(connection, PURPOSE, {"person_id": found.person_id}, expires_at)

    def whose(self, token: str) -> Claimable:
        """Return who is in the second step with this token.

        Raises:  NotFound when the step was never begun, took too long or is done
        """
        with self.databases.sessions.read() as connection:
            step = onetime.peek(connection, PURPOSE, token, self.clock.timestamp())
        with self.databases.identity.read() as connection:
            found = claimable_by_id(connection, str(step["person_id"])) if step else None
        if found is None:
            raise NotFound("no such step of a claim")
        return found

    def set_password(self, token: str, password: str, language: str) -> Claimable:
        """Give the account its first password and its owner.

        Raises:  NotFound as `whose`; InvalidPassword with the rule's word;
                 InProgress when the password is being set in another window;
                 Conflict when somebody else claimed it, or it was closed meanwhile;
                 TargetUnavailable when the directory did not confirm, TargetRejected when the entry of this name is not
                 ours: then nothing has changed, and the token lives on
        Effect:  the entry's one password; then account.claimed and password.set in the transaction that marks the
                 account. Killed between the two, the step can simply be repeated.
        """
        person = self.whose(token)
        password = prepared(password)
        weakness = weakness_of(
            password, own_words(person), self.settings.password_words, self.settings.password_min_length
        )
        if weakness is not None:
            raise InvalidPassword(weakness.value)
        with one_at_a_time(self.databases, self.clock, f"{PURPOSE}:{person.person_id}"):
            if not _is_open(self.whose(token)):
                raise Conflict("this account was claimed or closed meanwhile")
            self.password_writer.write(person.person_id, person.uid, password)
            self._mark(person.person_id, language)
        with self.databases.sessions.write() as connection:
            onetime.consume(connection, PURPOSE, token, self.clock.timestamp())
        return person

    def _count(self, one: ClaimAttempt) -> Reason | None:
        """Count a try; that of a network which has failed too often costs the album number nothing."""
        with self.databases.sessions.write() as connection:
            limit = self.settings.claim_network_failures_per_day
            for network in one.networks:
                if attempts.failures_of(connection, network.name, one.day) >= limit * network.factor:
                    return Reason.NETWORK
            count = attempts.count_attempt(connection, one.number, one.day)
        return Reason.TOO_MANY_ATTEMPTS if count > self.settings.claim_attempts_per_day else None

    def _reason_to_refuse(self, found: Claimable | None, typed: Typed) -> Reason | None:
        """Do all comparisons whoever was found, and only then say what speaks against it."""
        end = last_four(typed.id_end)
        details = Details(
            given_name=typed.given_name,
            surname=typed.surname,
            born_on=typed.date_of_birth,
            pesel_end_mac=self.keys.mac(PESEL_END_USE, end),
            document_end_mac=self.keys.mac(DOCUMENT_END_USE, end),
        )
        agrees = matches(details, found or NOBODY, self.settings.claim_details)
        if found is None:
            return Reason.UNKNOWN_ALBUM
        if not agrees:
            return Reason.DETAILS
        if found.claimed_at is not None:
            return Reason.CLAIMED
        return None if found.enabled else Reason.DISABLED

    def _refuse(self, reason: Reason, person_id: str, one: ClaimAttempt) -> None:
        data = {"album": one.number, "network": one.address[:64]}
        with self.databases.sessions.write() as connection:
            if reason is not Reason.NETWORK:
                for network in one.networks:
                    attempts.count_failure(connection, network.name, one.day)
            refused = Event(event_types.CLAIM_REFUSED, subject=person_id, reason=reason, data=data)
            record(connection, self.clock.timestamp(), refused)

    def _mark(self, person_id: str, language: str) -> None:
        now = self.clock.now()
        with self.databases.identity.write() as connection:
            if not mark_claimed(connection, person_id, language, now):
                raise Conflict("this account was claimed or closed meanwhile")
            queue_recompute(connection, [person_id])  # whoever can sign in has a stored view
            for word in (event_types.PASSWORD_SET, event_types.ACCOUNT_CLAIMED):
                record(connection, now.timestamp(), Event(word, subject=person_id, actor=person_id))


def own_words(person: Claimable) -> tuple[str, ...]:
    """Return what a password of this person must not hold."""
    return (person.given_name, person.middle_name, person.surname, person.previous_surname, person.album, person.uid)


def earliest_retry(now: datetime, zone: ZoneInfo, sync_hour: int) -> datetime:
    """Return when data that the Student Service Center corrects today count: the following day after the noon sync.

    Shape:   2026-10-01T10:00Z, Warsaw, 12 -> 2026-10-02 12:00 in Warsaw
    Source:  student account instruction, step 1
    """
    following = local_date(now, zone) + timedelta(days=1)
    return datetime.combine(following, time(sync_hour), tzinfo=zone)


def _is_open(person: Claimable) -> bool:
    return person.enabled and person.claimed_at is None
