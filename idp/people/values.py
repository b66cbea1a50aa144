"""The values that all packages share."""

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from idp.errors import InvalidAlbum

PersonId = NewType("PersonId", str)
Album = NewType("Album", str)


class Source(StrEnum):
    """A system or an office that says who a person is."""

    REGISTRY = "registry"  # the student registry; its external id is the os_id
    STAFF = "staff"  # invited by an administrator
    SCIM = "scim"


class Assurance(StrEnum):
    """How well we know that an account's owner is the person."""

    NONE = "none"  # nobody claimed the account
    MATCHED = "matched"  # claimed by what only the person and the source know


class AccountKind(StrEnum):
    """Whose account it is."""

    STUDENT = "student"
    STAFF = "staff"


class IdentifierKind(StrEnum):
    """What is assigned once and for ever."""

    UID = "uid"
    ALBUM = "album"
    ADDRESS = "address"
    SUB = "sub"


class AddressKind(StrEnum):
    """What an address that delivers is to its person."""

    PRIMARY = "primary"  # chosen
    ALIAS = "alias"  # of the album number
    FORMER = "former"  # of before


class LockOwner(StrEnum):
    """On whose behalf a lock stands. Removing one owner's lock leaves the others."""

    OPERATOR = "operator"
    DESK = "desk"  # the Student Service Center
    SELF = "self"  # the account's owner froze it
    STAFF = "staff"  # a member of staff was disabled


class PairState(StrEnum):
    """What became of two records that may be one person."""

    OPEN = "open"  # a human must judge
    DISMISSED = "dismissed"  # two people
    MERGED = "merged"


class MergeState(StrEnum):
    """Whether two records count as one person."""

    PLANNED = "planned"
    IN_FORCE = "in_force"
    ENDED = "ended"


class Priority(StrEnum):
    """Who may write what a change of records asks for."""

    LIVE = "live"  # a person's own act or a lock: written at once, one person at a time
    BULK = "bulk"  # everything else: written by guarded runs only


class Status(StrEnum):
    """State of one programme of study, in the registry's own words (docs/domain.md, life cycle)."""

    ADMITTED = "admitted"
    ACTIVE = "active"
    LEAVE = "leave"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    GRADUATED_END_OF_STUDY = "graduated_end_of_study"
    GRADUATED_BEFORE_DIPLOMA = "graduated_before_diploma"
    GRADUATED_DIPLOMA = "graduated_diploma"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One person in one programme."""

    programme: str
    programme_name: str
    unit: str
    level: str  # 1, 2, JM, 3, PD
    form: str  # S full-time, N part-time
    status: Status
    status_from: date
    admitted_on: date | None
    ends_on: date | None
    before: tuple[Status, date] | None = None  # the status in force, and since when, while status_from lies ahead
    # When the registry last changed it; None: not read from the store. It does not say what somebody studies.
    changed_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class MergedRecord:
    """The names of a record that is merged into a person."""

    person_id: PersonId
    uid: str
    album: Album | None


@dataclass(frozen=True, slots=True)
class Person:
    """One human being as the registry knows them, national ids left out."""

    person_id: PersonId
    os_id: str  # "": the registry does not know the person
    album: Album | None
    uid: str
    given_name: str
    middle_name: str
    surname_prefix: str
    surname: str
    born_on: date | None
    private_mail: str
    enrolments: tuple[Enrolment, ...]

    @property
    def full_surname(self) -> str:
        """`van` + `Beek` -> `van Beek`."""
        return f"{self.surname_prefix} {self.surname}".strip()

    @property
    def display_name(self) -> str:
        """Given name and surname; one of them may be missing (docs/domain.md, names)."""
        return f"{self.given_name} {self.full_surname}".strip()


def parse_album(text: str) -> Album:
    """Return the album number in `text`.

    Shape:   " 00123 " -> "00123"; 1 to 10 ASCII digits, leading zeros kept
    Raises:  InvalidAlbum
    Source:  student account instruction, step 1; docs/domain.md, identifiers
    """
    digits = text.strip()
    # re.ASCII: a plain \d also accepts other scripts' digits, and an alias must be ASCII.
    if not re.fullmatch(r"\d{1,10}", digits, re.ASCII):
        raise InvalidAlbum(f"{digits[:40]!r} is no album number: 1 to 10 digits")
    return Album(digits)


def album_number(album: Album) -> str:
    """Return the number without leading zeros: albums that differ only there are one number."""
    return album.lstrip("0") or "0"
