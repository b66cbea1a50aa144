"""Whether what a person typed is what the registry knows. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from idp.accounts.claim_queries import Claimable
from idp.accounts.settings import Detail
from idp.people.names import clean_name, search_key


@dataclass(frozen=True, slots=True)
class Details:
    """What was typed beside the album number, as values; the end of the national id as the two hashes it could have."""

    given_name: str
    surname: str
    born_on: date | None
    pesel_end_mac: str
    document_end_mac: str


def matches(details: Details, record: Claimable, asked: Collection[Detail]) -> bool:
    """Say whether every detail that is asked agrees with the record; all are compared whatever the first one says.

    Source:  student account instruction, step 1; docs/domain.md, dirty cases of the registry
    """
    agreed = {
        Detail.GIVEN_NAME: _is_one_of(details.given_name, given_names(record)),
        Detail.SURNAME: _is_one_of(details.surname, surnames(record)),
        # What the registry does not know proves nothing: then the claim cannot be made without the desk.
        Detail.DATE_OF_BIRTH: record.born_on is not None and details.born_on == record.born_on,
        Detail.ID_END: (record.pesel_end_mac is not None and details.pesel_end_mac == record.pesel_end_mac)
        | (record.document_end_mac is not None and details.document_end_mac == record.document_end_mac),
    }
    return all(agreed[detail] for detail in asked)


def given_names(record: Claimable) -> tuple[str, ...]:
    """Return the ways of writing the given name that count: the first one, or both."""
    return (record.given_name, f"{record.given_name} {record.middle_name}")


def surnames(record: Claimable) -> tuple[str, ...]:
    """Return the ways of writing the surname that count: with and without `van`."""
    return (record.surname, f"{record.surname_prefix} {record.surname}")


def _is_one_of(typed: str, names: Collection[str]) -> bool:
    # Case, diacritics, hyphens and spaces of a double name say nothing; a missing name is matched by an empty field.
    # What has no letter to fold, an emoji for example, matches itself alone: else it would match a missing name.
    typed = clean_name(typed)
    key = search_key(typed)
    return any(key == search_key(name) and (key != "" or typed == name) for name in map(clean_name, names))
