"""Rules that say who may have an album number. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from idp.people.queries import AlbumOwner
from idp.registry.reasons import Reason


class Claim(msgspec.Struct, frozen=True):
    """A record of the file whose valid rows carry the number."""

    place: int
    os_id: int
    text: str  # the album as written
    person: str  # the human being: merged records of one person have the same value
    is_owner: bool  # the number is assigned to this person


def contest(claims: Collection[Claim]) -> dict[int, Reason]:
    """Return, by place, why a record may not have the number. Records that may have it are left out.

    Two people with the same album are both refused, because nobody can tell whose it is. Albums that differ only in
    leading zeros are one number: its owner keeps it, or else the smaller os_id gets it. The other one is refused.

    Shape:   007 of os_id 5, 7 of os_id 9 -> 9 is refused; 007 of both -> both are
    """
    if len({claim.person for claim in claims}) < 2:
        return {}
    first = min(claims, key=lambda claim: (not claim.is_owner, claim.os_id))
    people_with = Counter(text for text, _ in {(claim.text, claim.person) for claim in claims})
    refused = {}
    for claim in claims:
        if people_with[claim.text] > 1:
            refused[claim.place] = Reason.ALBUM_OF_TWO
        elif claim.person != first.person:
            refused[claim.place] = Reason.ALBUM_ZERO_TWIN
    return refused


def refused_beside(text: str, owner: AlbumOwner) -> Reason:
    """Return why nobody but `owner` may have the album `text`."""
    return Reason.ALBUM_OF_TWO if text == owner.album else Reason.ALBUM_ZERO_TWIN


class MergedRecords:
    """Knows which records are one human being."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take pairs of (kept, merged) person_ids. A record is merged into one other record at most."""
        self._kept_of = {merged: kept for kept, merged in pairs}

    def person(self, person_id: str) -> str:
        """Return the person_id that stands for the human being."""
        return self._kept_of.get(person_id, person_id)
