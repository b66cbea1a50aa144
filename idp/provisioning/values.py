"""Entries, changes and their outcomes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Self

import msgspec

from idp.errors import IdpError

NAME, SWITCH = "(name)", "(enabled)"  # what an entry has besides attributes, in the words of a plan

DIGEST_VERSION = 2
"""Raise it when `digest_of` digests an equal entry to something else."""

_AS_JSON = msgspec.json.Encoder().encode
_FROM_JSON = msgspec.json.Decoder(tuple[str, bool, dict[str, tuple[str, ...]]]).decode
_AS_BYTES = msgspec.msgpack.Encoder().encode


class Kind(StrEnum):
    """What a change does to a person's entry; each kind has its own limit."""

    CREATE = "create"
    UPDATE = "update"
    RENAME = "rename"  # the name that the target knows the entry by
    DISABLE = "disable"
    ENABLE = "enable"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Entry:
    """One person in one target, desired or observed: only what we manage there.

    Shape:   Entry("0a1b…", "u7kq2m9xa", True, {"sn": ("Żak",), "mail": ()}) has no `mail`, and values are sorted
    """

    person_id: str
    name: str  # what the target knows the entry by; in LDAP the uid
    enabled: bool
    attributes: Mapping[str, tuple[str, ...]]
    reason: str = field(default="", compare=False)  # why it is desired so: a word of the life cycle
    only_if_present: bool = field(default=False, compare=False)  # update if present, never create
    _digest: str = field(default="", init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        kept = {
            name: values if len(values) == 1 else tuple(sorted(values))
            for name, values in sorted(self.attributes.items())
            if values
        }
        object.__setattr__(self, "attributes", kept)

    @property
    def digest(self) -> str:
        """Return 32 hex digits that are equal exactly when entries are."""
        if not self._digest:
            attributes = [(name, [value.encode() for value in values]) for name, values in self.attributes.items()]
            object.__setattr__(self, "_digest", digest_of(self.name, self.enabled, attributes))
        return self._digest

    def to_json(self) -> str:
        """Return the entry as it stands in a stored plan."""
        return _AS_JSON((self.name, self.enabled, self.attributes)).decode()

    @classmethod
    def from_json(cls, person_id: str, text: str) -> Self:
        """Return what `to_json` kept."""
        return cls(person_id, *_FROM_JSON(text))


def digest_of(name: str, enabled: bool, attributes: Sequence[tuple[str, Sequence[bytes]]]) -> str:
    """Return the digest of an entry that has these values; for targets that compare without making an Entry of each.

    Shape:   ("u7kq2m9xa", True, [("cn", [b"Anna"]), ("sn", [b"Nowak"])]): sorted by attribute and by value, as UTF-8,
             attributes without a value left out
    """
    return blake2b(_AS_BYTES((name, enabled, attributes)), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Change:
    """One write to one target."""

    kind: Kind
    person_id: str
    before: Entry | None
    after: Entry | None
    reason: str  # as people read it
    cause: str = ""  # the reason of the records; of an undo, the one of the change that was undone first

    @classmethod
    def create(cls, desired: Entry) -> Self:
        """Return the change that makes an entry."""
        return cls(Kind.CREATE, desired.person_id, None, desired, desired.reason, desired.reason)

    @classmethod
    def update(cls, before: Entry, after: Entry) -> Self:
        """Return the change of an entry that differs. Its kind is the gravest difference; all are written."""
        return cls(_kind_of_update(before, after), after.person_id, before, after, after.reason, after.reason)

    @classmethod
    def remove(cls, observed: Entry, reason: str) -> Self:
        """Return the change that removes an entry."""
        return cls(Kind.REMOVE, observed.person_id, observed, None, reason, reason)

    @property
    def name(self) -> str:
        """The name by which the target knows the entry, after the change if it stays."""
        entry = self.after or self.before
        assert entry is not None  # a change has at least one side
        return entry.name

    @property
    def lets_in(self) -> bool:
        """Whether it enables an entry that was disabled, or makes an enabled one."""
        return self.after is not None and self.after.enabled and not (self.before is not None and self.before.enabled)

    @property
    def touched(self) -> list[str]:
        """Return what differs, in the order of `differences`, without the values."""
        if self.before is None and self.after is not None:
            return [NAME, SWITCH, *self.after.attributes]
        return [name for name, _, _ in self.differences()]

    def differences(self) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Yield (attribute, before, after) of everything that differs, the name and the switch first."""
        before, after = (_all_values(entry) for entry in (self.before, self.after))
        for attribute in [*dict.fromkeys([*before, *after])]:
            if before.get(attribute, ()) != after.get(attribute, ()):
                yield attribute, before.get(attribute, ()), after.get(attribute, ())


def _all_values(entry: Entry | None) -> dict[str, tuple[str, ...]]:
    if entry is None:
        return {}
    return {NAME: (entry.name,), SWITCH: (str(entry.enabled).lower(),), **entry.attributes}


def _kind_of_update(before: Entry, after: Entry) -> Kind:
    if before.enabled != after.enabled:
        return Kind.ENABLE if after.enabled else Kind.DISABLE
    return Kind.UPDATE if before.name == after.name else Kind.RENAME


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a target that a human must look at; nothing is done about it."""

    person_id: str
    name: str
    what: str

    @classmethod
    def unexpected(cls, observed: Entry) -> Self:
        """Return the finding of an entry with our mark and a person whom our records do not know."""
        return cls(observed.person_id, observed.name, "has our mark, and our records do not know this person")

    @classmethod
    def doubled(cls, person_id: str) -> Self:
        """Return the finding of a person who has two entries with our mark."""
        return cls(person_id, "", "has two entries with our mark")

    @classmethod
    def uncomputed(cls, person_id: str) -> Self:
        """Return the finding of a person for whom the rules raise an error."""
        return cls(person_id, "", "not planned in any target: the rules failed for this person; idp's log says why")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change."""

    change: Change
    error: IdpError | None = None  # None: done
    is_accepted: bool = False  # the target took it and shows it later: read again, do not write again
