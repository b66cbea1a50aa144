"""The stored view of a person: the values that the ticket path releases, computed before anybody asks.

Whoever computes a change of somebody's records (idp.provisioning.recompute) stores the view in the same transaction.
The view counts while no newer change waits, the rules are the same and the day has not come on which time alone may
change the values. Else the values are computed from the records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from idp.db.databases import Database
from idp.db.raw import Raw
from idp.people import status
from idp.people.catalogue import BY_KEY, fingerprint_of, named_in
from idp.people.settings import PeopleSettings
from idp.people.snapshot import PersonSnapshot, load_snapshot
from idp.people.view_queries import StoredView, ViewKey, read_view

KEYS: Final = tuple(sorted(set(named_in("cas").values())))
_RULES: Final = tuple((key, BY_KEY[key].rule) for key in KEYS)

Values = Mapping[str, list[str]]  # by catalogue key; without those that have no value

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, list[str]]).decode


def released_values(person: PersonSnapshot) -> Values:
    """Return what the ticket path may release about a person."""
    values = {key: list(rule(person)) for key, rule in _RULES}
    return {key: each for key, each in values.items() if each}


def view_of(person: PersonSnapshot, fingerprint: str) -> StoredView | None:
    """Return the view to store; None for somebody who cannot sign in yet, so that an import stores none."""
    if not person.account.is_claimed:
        return None
    return StoredView(_encode(released_values(person)).decode(), fingerprint, person.status.changes_on)


def fingerprint(settings: PeopleSettings) -> str:
    """Return 32 hex digits that differ when the rules may give anybody other values."""
    content = (status.VERSION, fingerprint_of(KEYS), settings.model_dump_json())
    return blake2b(msgspec.json.encode(content), digest_size=16).hexdigest()


@lru_cache(maxsize=8)
def _key(fingerprint: str, today: date) -> ViewKey:
    return ViewKey(fingerprint, today.isoformat())


@dataclass(frozen=True, slots=True)
class PersonValues:
    """Reads what may be released about people: their stored views where those count, else their records."""

    identity: Database
    settings: PeopleSettings
    fingerprint: str

    @classmethod
    def over(cls, identity: Database, settings: PeopleSettings) -> "PersonValues":
        """Return the reader of an installation."""
        return cls(identity, settings, fingerprint(settings))

    def key(self, today: date) -> ViewKey:
        """Return by what a view counts today."""
        return _key(self.fingerprint, today)

    def of(self, raw: Raw, person_id: str, today: date) -> Values | None:
        """Return a person's values; None when there is no such person."""
        return self.from_view(read_view(raw, person_id, self.key(today)), person_id, today)

    def from_view(self, content: str | None, person_id: str, today: date) -> Values | None:
        """Return the values in a view that counts, or, without one, those that follow from the records."""
        return self.compute(person_id, today) if content is None else _decode(content)

    def compute(self, person_id: str, today: date) -> Values | None:
        """Return the values that follow from the records."""
        with self.identity.read() as connection:
            person = load_snapshot(connection, person_id, self.settings, today)
        return None if person is None else released_values(person)
