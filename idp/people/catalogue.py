"""The attribute catalogue: what we tell about a person, once for every system.

Each attribute has a pure rule over a snapshot. Targets and release lists are generated from the names here, and so is
docs/reference/attributes.md (`scripts/attributes-page`). The first sentence of a rule's docstring is its description.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from idp.people.identifiers import esi, public_subject, unique_id
from idp.people.snapshot import PersonSnapshot
from idp.people.status import Access

Values = tuple[str, ...]
Rule = Callable[[PersonSnapshot], Values]


class ValueSource(StrEnum):
    """Where values come from, besides settings."""

    RECORD = "record"  # the person's record in a source
    ENROLMENTS = "enrolments"  # and employment: what gives a status
    CHOICE = "choice"  # chosen by the person
    GENERATED = "generated"  # made by us, once and for ever
    LOCK = "lock"  # a human locked the account
    ROLE = "role"  # given by an administrator


class Sensitivity(StrEnum):
    """How much an attribute says about a person."""

    IMPERSONAL = "impersonal"  # the same for everybody, or opaque
    CONTACT = "contact"  # name and addresses
    RECORD = "record"  # what somebody studies, and numbers that other systems know the person by


@dataclass(frozen=True, slots=True)
class Names:
    """The attribute's names, by system; some systems have several for one attribute."""

    ldap: Values = ()
    keycloak: Values = ()
    cas: Values = ()
    oidc: Values = ()
    scim: Values = ()


SYSTEMS: Final = tuple(field.name for field in fields(Names))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One entry of the catalogue."""

    rule: Rule
    sources: tuple[str, ...]  # a ValueSource, or a setting such as `people.scope`
    sensitivity: Sensitivity
    names: Names
    # Raise it when the rule gives another value: everybody is then compared with every target again.
    version: int = 1
    # It says what somebody is or may do: an undo takes it back together with access, or not at all.
    follows_access: bool = False

    @property
    def key(self) -> str:
        """The attribute's name among us."""
        return self.rule.__name__

    @property
    def description(self) -> str:
        """One sentence for people."""
        return " ".join((self.rule.__doc__ or "").strip().split("\n\n")[0].split())


# --- one rule per attribute -----------------------------------------------------------------------------------------


def uid(person: PersonSnapshot) -> Values:
    """The login name: opaque, given when the person was first seen, never changed and never given again."""
    return (person.uid,)


def full_name(person: PersonSnapshot) -> Values:
    """Given name and surname. Where both are missing it is the uid: a directory entry must have a name."""
    return _some(person.display_name) or (person.uid,)


def surname(person: PersonSnapshot) -> Values:
    """The surname with its prefix. Somebody with one name has it as surname, because inetOrgPerson requires one."""
    return _some(person.full_surname) or full_name(person)


def given_name(person: PersonSnapshot) -> Values:
    """The given name, if there is one."""
    return _some(person.given_name)


def mail(person: PersonSnapshot) -> Values:
    """The address that the person chose; staff without one have their contact address."""
    return _some(person.addresses.primary or person.account.contact_mail)


def mail_alias(person: PersonSnapshot) -> Values:
    """The address made of the album number."""
    return _some(person.addresses.alias or "")


def mail_addresses(person: PersonSnapshot) -> Values:
    """Every address that delivers: the chosen one, the alias, earlier ones; none before a name is chosen."""
    return person.addresses.all() if person.addresses.primary else ()


def language(person: PersonSnapshot) -> Values:
    """The language of pages and letters."""
    return _some(person.account.language)


def role(person: PersonSnapshot) -> Values:
    """The role of a member of staff: clerk, operator or administrator."""
    return _some(person.account.role)


def affiliations(person: PersonSnapshot) -> Values:
    """eduPersonAffiliation: what the person is to the university today."""
    return person.status.affiliations


def primary_affiliation(person: PersonSnapshot) -> Values:
    """The most important of the affiliations."""
    return _some(person.status.primary_affiliation)


def scoped_affiliations(person: PersonSnapshot) -> Values:
    """Each affiliation with our scope: `student@po.edu.pl`."""
    return tuple(f"{word}@{person.settings.scope}" for word in person.status.affiliations)


def principal_name(person: PersonSnapshot) -> Values:
    """eduPersonPrincipalName: the uid with our scope, for applications that know no better key."""
    return (f"{person.uid}@{person.settings.scope}",)


def unique_identifier(person: PersonSnapshot) -> Values:
    """eduPersonUniqueId: the key that never changes and is never given again."""
    return (unique_id(person.person_id, person.settings.scope),)


def subject_identifier(person: PersonSnapshot) -> Values:
    """The `sub` of our OpenID sign-in, by which other systems recognise the person."""
    return (public_subject(person.person_id),)


def home_organization(person: PersonSnapshot) -> Values:
    """schacHomeOrganization, agreed with the federation."""
    return (person.settings.home_organization,)


def european_student_identifier(person: PersonSnapshot) -> Values:
    """The European Student Identifier, for students alone."""
    if not person.status.is_student or person.album is None:
        return ()
    return (esi(person.settings.home_organization, person.album),)


def album(person: PersonSnapshot) -> Values:
    """The album number as printed; somebody who is only admitted may have none yet."""
    return _some(person.album or "")


def albums(person: PersonSnapshot) -> Values:
    """All album numbers of the person, the kept record's first; more than one after a merge."""
    return person.albums


def programmes(person: PersonSnapshot) -> Values:
    """The codes of all programmes, past ones too."""
    return tuple(enrolment.programme for enrolment in person.enrolments)


def status(person: PersonSnapshot) -> Values:
    """active, suspended or closed: what mail and other services obey."""
    access = person.status.access
    return (Access.SUSPENDED.value if access is Access.ACTIVE and person.is_locked else access.value,)


def _some(text: str) -> Values:
    """Return no value for blank text: directories refuse it."""
    return (text,) if text.strip() else ()


SCOPE, HOME = "people.scope", "people.home_organization"

# Names as in inetOrgPerson, eduPerson 202208, SCHAC 1.6, OpenID Connect Core, the REFEDS claims for OpenID Connect,
# and RFC 7643 (SCIM). Keycloak's `groups` and `link` are no attributes there: memberships, and the linked identity.
CATALOGUE: Final[tuple[Attribute, ...]] = (
    Attribute(
        uid,
        (ValueSource.GENERATED,),
        Sensitivity.RECORD,
        Names(cas=("uid",), oidc=("preferred_username",), scim=("userName",)),
    ),
    Attribute(
        full_name,
        (ValueSource.RECORD,),
        Sensitivity.CONTACT,
        Names(("cn", "displayName"), ("displayName",), ("cn", "displayName"), ("name",), ("displayName",)),
    ),
    Attribute(
        surname,
        (ValueSource.RECORD,),
        Sensitivity.CONTACT,
        Names(("sn",), ("lastName",), ("sn",), ("family_name",), ("name.familyName",)),
    ),
    Attribute(
        given_name,
        (ValueSource.RECORD,),
        Sensitivity.CONTACT,
        Names(("givenName",), ("firstName",), ("givenName",), ("given_name",), ("name.givenName",)),
    ),
    Attribute(
        mail,
        (ValueSource.CHOICE,),
        Sensitivity.CONTACT,
        Names(("mail",), ("email",), ("mail",), ("email",), ("emails",)),
        version=2,
    ),
    Attribute(mail_alias, (ValueSource.CHOICE, ValueSource.RECORD), Sensitivity.RECORD, Names(cas=("mailAlias",))),
    Attribute(
        mail_addresses, (ValueSource.CHOICE, ValueSource.RECORD), Sensitivity.RECORD, Names(ldap=("mailLocalAddress",))
    ),
    Attribute(
        language,
        (ValueSource.CHOICE,),
        Sensitivity.CONTACT,
        Names(cas=("preferredLanguage",), oidc=("locale",), scim=("preferredLanguage",)),
    ),
    Attribute(role, (ValueSource.ROLE,), Sensitivity.RECORD, Names(cas=("role",), oidc=("role",))),
    Attribute(
        affiliations,
        (ValueSource.ENROLMENTS,),
        Sensitivity.RECORD,
        Names(
            ("eduPersonAffiliation",),
            ("eduPersonAffiliation", "groups"),
            ("eduPersonAffiliation",),
            ("eduperson_affiliation",),
        ),
        follows_access=True,
    ),
    Attribute(
        primary_affiliation,
        (ValueSource.ENROLMENTS,),
        Sensitivity.RECORD,
        Names(ldap=("eduPersonPrimaryAffiliation",)),
        follows_access=True,
    ),
    Attribute(
        scoped_affiliations,
        (ValueSource.ENROLMENTS, SCOPE),
        Sensitivity.RECORD,
        Names(
            ("eduPersonScopedAffiliation",),
            ("eduPersonScopedAffiliation",),
            ("eduPersonScopedAffiliation",),
            ("eduperson_scoped_affiliation",),
        ),
        follows_access=True,
    ),
    Attribute(
        principal_name,
        (ValueSource.GENERATED, SCOPE),
        Sensitivity.RECORD,
        Names(
            ("eduPersonPrincipalName",),
            ("eduPersonPrincipalName",),
            ("eduPersonPrincipalName",),
            ("eduperson_principal_name",),
        ),
    ),
    Attribute(
        unique_identifier,
        (ValueSource.GENERATED, SCOPE),
        Sensitivity.IMPERSONAL,
        Names(ldap=("eduPersonUniqueId",), cas=("eduPersonUniqueId",), oidc=("eduperson_unique_id",)),
    ),
    Attribute(
        subject_identifier, (ValueSource.GENERATED,), Sensitivity.IMPERSONAL, Names(keycloak=("link",), oidc=("sub",))
    ),
    Attribute(
        home_organization,
        (HOME,),
        Sensitivity.IMPERSONAL,
        Names(ldap=("schacHomeOrganization",), cas=("schacHomeOrganization",), oidc=("schac_home_organization",)),
    ),
    Attribute(
        european_student_identifier,
        (ValueSource.RECORD, ValueSource.ENROLMENTS, HOME),
        Sensitivity.RECORD,
        Names(
            ("schacPersonalUniqueCode",),
            ("schacPersonalUniqueCode",),
            ("schacPersonalUniqueCode",),
            ("schac_personal_unique_code",),
        ),
        follows_access=True,
    ),
    Attribute(
        album, (ValueSource.RECORD,), Sensitivity.RECORD, Names(("idpAlbum",), ("idpAlbum",), ("album",), ("album",))
    ),
    Attribute(albums, (ValueSource.RECORD,), Sensitivity.RECORD, Names(cas=("albums",), oidc=("albums",))),
    Attribute(
        programmes, (ValueSource.ENROLMENTS,), Sensitivity.RECORD, Names(cas=("programme",), oidc=("programme",))
    ),
    Attribute(
        status,
        (ValueSource.ENROLMENTS, ValueSource.LOCK),
        Sensitivity.RECORD,
        Names(ldap=("idpStatus",), keycloak=("idpStatus",)),
        follows_access=True,
    ),
)

BY_KEY: Final[Mapping[str, Attribute]] = {attribute.key: attribute for attribute in CATALOGUE}


def named_in(system: str) -> dict[str, str]:
    """Return the key of each attribute that a system has, by the name there.

    Shape:   "keycloak" -> {"lastName": "surname", "groups": "affiliations", …}
    """
    return {name: attribute.key for attribute in CATALOGUE for name in getattr(attribute.names, system)}


def fingerprint_of(keys: Collection[str]) -> list[tuple[str, int, tuple[str, ...]]]:
    """Return what changes when any value of these attributes may change, people and settings apart."""
    return [(attribute.key, attribute.version, attribute.sources) for attribute in CATALOGUE if attribute.key in keys]
