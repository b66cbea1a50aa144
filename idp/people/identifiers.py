"""Identifiers that we make: uid, eduPersonUniqueId, subject-id, `sub`, the European Student Identifier."""

import random
import string

from idp.people.values import Album, PersonId

_UID_LETTERS = string.ascii_lowercase + "23456789"  # 0 and 1 look like o and l
_UID_LENGTH = 8


def new_uid(source: random.Random) -> str:
    """Return a login name that says nothing about its owner; `assigned_identifier` says whether it was ever given.

    Shape:   "u7kq2m9xa": `u` and 8 of [a-z2-9]; 34^8 of them, so that two alike are rare but do happen
    """
    number = source.randrange(len(_UID_LETTERS) ** _UID_LENGTH)
    letters = []
    for _ in range(_UID_LENGTH):
        number, place = divmod(number, len(_UID_LETTERS))
        letters.append(_UID_LETTERS[place])
    return "u" + "".join(letters)


def unique_id(person_id: PersonId, scope: str) -> str:
    """Return eduPersonUniqueId, which is valid as a SAML subject-id, too.

    Shape:   "0a1b…" (32 hex digits), "po.edu.pl" -> "0a1b…@po.edu.pl"; a UUID's hyphens would be invalid here
    Source:  eduPerson 202208 section 2.2.8; SAML Subject Identifier Attributes 1.0 section 3.3
    """
    return f"{person_id}@{scope}"


def public_subject(person_id: PersonId) -> str:
    """Return the OpenID Connect `sub` by which every application that is not given one of its own knows a person.

    It is the key of the person, which is never given again: so it is on record with its owner from the beginning, and
    provisioning can link users elsewhere to it before anybody signs in.

    Shape:   "0a1b…" (32 hex digits) -> the same
    Source:  OpenID Connect Core 1.0 sections 2 and 8: at most 255 ASCII characters, never reassigned
    """
    return person_id


def esi(home_organization: str, album: Album) -> str:
    """Return the European Student Identifier in the scope of this institution.

    Shape:   "po.edu.pl", "12345" -> "urn:schac:personalUniqueCode:int:esi:po.edu.pl:12345", in exactly this case
    Source:  GEANT, European Student Identifier specification 1.0
    """
    return f"urn:schac:personalUniqueCode:int:esi:{home_organization}:{album}"
