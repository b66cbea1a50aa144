"""What an application learns about a person: its principal and its release list. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from idp.people.account_queries import Facts
from idp.people.identifiers import esi, unique_id
from idp.people.lifecycle import Standing, standing
from idp.people.settings import PeopleSettings
from idp.people.values import Album, PersonId

Values = Mapping[str, list[str]]


class Principal(StrEnum):
    """What `<cas:user>` says to an application."""

    UID = "uid"
    MAIL = "mail"
    ALBUM = "album"
    PAIRWISE = "pairwise"  # opaque, another one for each application


@dataclass(frozen=True)  # without slots: what follows from enrolments is worked out once, when it is asked for
class Subject:
    """A person as attributes are made from them."""

    facts: Facts
    people: PeopleSettings
    today: date

    @property
    def mail(self) -> str:
        return self.facts.staff_mail if self.facts.kind == "staff" else self.facts.mail

    @cached_property
    def standing(self) -> Standing:
        return standing(self.facts.enrolments, self.today, self.people.access_policy)

    @property
    def affiliations(self) -> tuple[str, ...]:
        return ("staff", "member") if self.facts.kind == "staff" else self.standing.affiliations


def _esi(subject: Subject) -> Iterable[str]:
    if subject.facts.album and subject.standing.is_student:
        yield esi(subject.people.home_organization, Album(subject.facts.album))


# Names as in eduPerson, SCHAC and inetOrgPerson, and a few of our own; docs/reference/applications.md lists them.
_MAKERS: Final[Mapping[str, Callable[[Subject], Iterable[str]]]] = {
    "uid": lambda s: [s.facts.uid],
    "cn": lambda s: [s.facts.display_name],
    "displayName": lambda s: [s.facts.display_name],
    "givenName": lambda s: [s.facts.given_name],
    "sn": lambda s: [s.facts.surname],
    "mail": lambda s: [s.mail],
    "mailAlias": lambda s: [s.facts.alias],
    "album": lambda s: [s.facts.album],
    "role": lambda s: [s.facts.role],
    "preferredLanguage": lambda s: [s.facts.language],
    "programme": lambda s: [enrolment.programme for enrolment in s.facts.enrolments],
    "eduPersonAffiliation": lambda s: s.affiliations,
    "eduPersonScopedAffiliation": lambda s: [f"{one}@{s.people.scope}" for one in s.affiliations],
    "eduPersonPrincipalName": lambda s: [f"{s.facts.uid}@{s.people.scope}"],
    "eduPersonUniqueId": lambda s: [unique_id(PersonId(s.facts.account_id), s.people.scope)],
    "schacHomeOrganization": lambda s: [s.people.home_organization],
    "schacPersonalUniqueCode": _esi,
}
RELEASABLE: Final = frozenset(_MAKERS)
_FROM_ENROLMENTS: Final = frozenset(
    {"programme", "eduPersonAffiliation", "eduPersonScopedAffiliation", "schacPersonalUniqueCode"}
)


def needs_enrolments(names: Iterable[str]) -> bool:
    """Tell whether a release list asks for something that follows from enrolments."""
    return not _FROM_ENROLMENTS.isdisjoint(names)


def released(names: Iterable[str], subject: Subject) -> dict[str, list[str]]:
    """Return the attributes of a release list, those without a value left out."""
    made = {name: [value for value in _MAKERS[name](subject) if value] for name in names}
    return {name: values for name, values in made.items() if values}


def principal_of(principal: Principal, subject: Subject, pairwise: Callable[[], str]) -> str | None:
    """Return the name that an application knows the person by; None when they have no such name (yet)."""
    match principal:
        case Principal.UID:
            return subject.facts.uid
        case Principal.MAIL:
            return subject.mail or None
        case Principal.ALBUM:
            return subject.facts.album or None
        case Principal.PAIRWISE:
            return pairwise()


def of_authentication(signed_in_at: float, *, remembered: bool, from_new_login: bool) -> dict[str, list[str]]:
    """Return the attributes about the sign-in itself, which come first in every answer.

    Source:  CAS Protocol 3.0.3, appendix A
    """
    at = datetime.fromtimestamp(signed_in_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "authenticationDate": [at],
        "longTermAuthenticationRequestTokenUsed": [_word(remembered)],
        "isFromNewLogin": [_word(from_new_login)],
    }


def _word(claim: bool) -> str:
    return "true" if claim else "false"
