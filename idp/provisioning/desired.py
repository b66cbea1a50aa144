"""What the records ask for: one rule per fact about a person, and the entry that a target makes of the facts.

A target says which fact each of its attributes is made of (`attributes` in targets/); the rule of that name is here.
Rules are pure: values in, values out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from idp.people.address_queries import Addresses
from idp.people.identifiers import esi, public_subject, unique_id
from idp.people.lifecycle import Access, Standing
from idp.people.settings import PeopleSettings
from idp.people.values import Person
from idp.provisioning.values import Entry

ON_HOLD = "on_hold"  # the reason, beside those of the life cycle, why somebody may not sign in


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that the rules look at."""

    person: Person
    standing: Standing  # on the day of asking
    addresses: Addresses
    people: PeopleSettings
    is_on_hold: bool = False  # a human keeps the account closed, whatever the records say

    @property
    def may_sign_in(self) -> bool:
        """The records say so, and nobody holds the account."""
        return self.standing.access is Access.ACTIVE and not self.is_on_hold


def desired(subject: Subject, attributes: Mapping[str, str | tuple[str, ...]]) -> Entry:
    """Return the entry of one person in a target with these attributes.

    Shape:   attributes {"sn": "surname", "c": ("PL",)} -> Entry(… {"sn": ("Kowalska",), "c": ("PL",)} …)
    Raises:  KeyError for a fact without a rule
    """
    access = subject.standing.access
    return Entry(
        person_id=subject.person.person_id,
        name=subject.person.uid,
        enabled=subject.may_sign_in,
        attributes={
            name: FACTS[made_of](subject) if isinstance(made_of, str) else made_of
            for name, made_of in attributes.items()
        },
        reason=ON_HOLD if subject.is_on_hold else subject.standing.reason,
        # Whoever left before we ever wrote them needs no entry now: files of former students are the registry's.
        only_if_present=access is Access.CLOSED,
    )


# --- one rule per fact ---------------------------------------------------------------------------------------------


def full_name(subject: Subject) -> tuple[str, ...]:
    """Given name and surname; where both are missing, the uid: a directory entry must be called something."""
    return _some(subject.person.display_name) or (subject.person.uid,)


def surname(subject: Subject) -> tuple[str, ...]:
    """The surname with its prefix. Who has one name only, has it as surname: inetOrgPerson cannot do without."""
    return _some(subject.person.full_surname) or full_name(subject)


def given_name(subject: Subject) -> tuple[str, ...]:
    """The given name, if there is one."""
    return _some(subject.person.given_name)


def mail(subject: Subject) -> tuple[str, ...]:
    """The address that the student chose; none before that."""
    return _some(subject.addresses.primary or "")


def mail_addresses(subject: Subject) -> tuple[str, ...]:
    """Every address that delivers: the chosen one, the alias, earlier ones; none before a name is chosen."""
    return subject.addresses.all() if subject.addresses.primary else ()


def affiliations(subject: Subject) -> tuple[str, ...]:
    """eduPersonAffiliation, as the life cycle says."""
    return subject.standing.affiliations


def primary_affiliation(subject: Subject) -> tuple[str, ...]:
    """One of the affiliations."""
    return _some(subject.standing.primary_affiliation)


def scoped_affiliations(subject: Subject) -> tuple[str, ...]:
    """Each affiliation with our scope: `student@po.edu.pl`."""
    return tuple(f"{word}@{subject.people.scope}" for word in subject.standing.affiliations)


def principal_name(subject: Subject) -> tuple[str, ...]:
    """eduPersonPrincipalName: the uid with our scope, for applications that know no better key."""
    return (f"{subject.person.uid}@{subject.people.scope}",)


def unique_identifier(subject: Subject) -> tuple[str, ...]:
    """eduPersonUniqueId: the key that never changes and is never given again."""
    return (unique_id(subject.person.person_id, subject.people.scope),)


def subject_identifier(subject: Subject) -> tuple[str, ...]:
    """The `sub` of our OpenID sign-in, by which other systems recognise who comes from there."""
    return (public_subject(subject.person.person_id),)


def home_organization(subject: Subject) -> tuple[str, ...]:
    """schacHomeOrganization, agreed with the federation."""
    return (subject.people.home_organization,)


def european_student_identifier(subject: Subject) -> tuple[str, ...]:
    """The European Student Identifier, for students alone."""
    if not subject.standing.is_student or subject.person.album is None:
        return ()
    return (esi(subject.people.home_organization, subject.person.album),)


def album(subject: Subject) -> tuple[str, ...]:
    """The album number as printed; who is only admitted may have none yet."""
    return _some(subject.person.album or "")


def status(subject: Subject) -> tuple[str, ...]:
    """active, suspended or closed: what mail and other services obey."""
    access = subject.standing.access
    return (Access.SUSPENDED.value if access is Access.ACTIVE and subject.is_on_hold else access.value,)


FACTS: Mapping[str, Callable[[Subject], tuple[str, ...]]] = {
    rule.__name__: rule
    for rule in (
        full_name,
        surname,
        given_name,
        mail,
        mail_addresses,
        affiliations,
        primary_affiliation,
        scoped_affiliations,
        principal_name,
        unique_identifier,
        subject_identifier,
        home_organization,
        european_student_identifier,
        album,
        status,
    )
}

# Where a person's facts come from; a word with a dot is a setting.
PERSON, PROGRAMMES, CHOICE, OURS, HOLD = "person", "programmes", "choice", "ours", "hold"
SWITCH_SOURCES = (PROGRAMMES, HOLD)
SOURCES: Mapping[str, tuple[str, ...]] = {
    "full_name": (PERSON,),
    "surname": (PERSON,),
    "given_name": (PERSON,),
    "mail": (CHOICE,),
    "mail_addresses": (CHOICE, PERSON),  # the alias is made of the album number
    "affiliations": (PROGRAMMES,),
    "primary_affiliation": (PROGRAMMES,),
    "scoped_affiliations": (PROGRAMMES, "people.scope"),
    "principal_name": (OURS, "people.scope"),
    "unique_identifier": (OURS, "people.scope"),
    "subject_identifier": (OURS,),
    "home_organization": ("people.home_organization",),
    "european_student_identifier": (PERSON, PROGRAMMES, "people.home_organization"),
    "album": (PERSON,),
    "status": (PROGRAMMES, HOLD),
}


def _some(text: str) -> tuple[str, ...]:
    """A value that is blank is none: directories refuse it."""
    return (text,) if text.strip() else ()
