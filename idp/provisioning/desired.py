"""The entry that the records ask for: a snapshot through the catalogue, for one target. Pure."""

from collections.abc import Mapping

from idp.people.catalogue import BY_KEY
from idp.people.snapshot import PersonSnapshot
from idp.people.status import Access
from idp.provisioning.values import Entry

LOCKED = "locked"  # the reason, beside those of the life cycle, why somebody may not sign in

VERSION = 3
"""Raise it when `desired` makes another entry of the same values: everybody is then compared again."""


def desired(
    snapshot: PersonSnapshot, attributes: Mapping[str, str | tuple[str, ...]], entry_name: str = "uid"
) -> Entry:
    """Return the entry of one person in a target with these attributes, and with this catalogue key as its name.

    Shape:   attributes {"sn": "surname", "c": ("PL",)} -> Entry(… {"sn": ("Kowalska",), "c": ("PL",)} …)
    Raises:  KeyError for a key that the catalogue does not have
    """
    return Entry(
        person_id=snapshot.person_id,
        name=next(iter(BY_KEY[entry_name].rule(snapshot)), snapshot.uid),
        enabled=snapshot.may_sign_in,
        attributes={
            name: BY_KEY[key].rule(snapshot) if isinstance(key, str) else key for name, key in attributes.items()
        },
        reason=LOCKED if snapshot.is_locked else snapshot.status.reason,
        # Somebody who left before we ever wrote them needs no entry: files of former students are the registry's.
        only_if_present=snapshot.status.access is Access.CLOSED,
    )
