"""What an application learns about a person: its principal and its released attributes. Pure."""

from collections.abc import Callable, Iterable
from datetime import date
from enum import StrEnum
from typing import Final

from idp.people.account_queries import AccountData, Facts
from idp.people.address_queries import Addresses
from idp.people.catalogue import attributes_in, mail, values_of
from idp.people.settings import PeopleSettings
from idp.people.snapshot import PersonSnapshot
from idp.people.status import person_status
from idp.people.values import Album, PersonId, Source


class Principal(StrEnum):
    """What `<cas:user>` says to an application."""

    UID = "uid"
    MAIL = "mail"
    ALBUM = "album"
    PAIRWISE = "pairwise"  # opaque, another one for each application


_ATTRIBUTES: Final = attributes_in("cas")
RELEASABLE: Final = frozenset(_ATTRIBUTES)


def needs_enrolments(names: Iterable[str]) -> bool:
    """Tell whether a release list asks for something that follows from enrolments."""
    return any(_ATTRIBUTES[name].needs_enrolments for name in names)


def snapshot_of(facts: Facts, settings: PeopleSettings, today: date) -> PersonSnapshot:
    """Return the person as the catalogue's rules see them; without enrolments where none were read."""
    sources = (Source.STAFF,) if facts.role else ()
    return PersonSnapshot(
        person_id=PersonId(facts.account_id),
        uid=facts.uid,
        album=Album(facts.album) if facts.album else None,
        given_name=facts.given_name,
        surname=facts.surname,
        enrolments=facts.enrolments,
        merged=facts.merged,
        status=person_status(facts.enrolments, sources, today, settings.access_policy),
        addresses=Addresses(facts.mail or None, facts.alias or None),
        account=AccountData(facts.role, facts.language, facts.staff_mail),
        settings=settings,
    )


def released(names: Iterable[str], person: PersonSnapshot) -> dict[str, list[str]]:
    """Return the attributes of a release list, those without a value left out."""
    return {name: list(values) for name, values in values_of(person, _ATTRIBUTES, names).items()}


def principal_of(principal: Principal, person: PersonSnapshot, pairwise: Callable[[], str]) -> str | None:
    """Return the name that an application knows the person by; None when they have no such name (yet)."""
    match principal:
        case Principal.UID:
            return person.uid
        case Principal.MAIL:
            return next(iter(mail(person)), None)
        case Principal.ALBUM:
            return person.album
        case Principal.PAIRWISE:
            return pairwise()
