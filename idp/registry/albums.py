"""Who may have an album number that several people claim. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from idp.registry.reasons import Reason


class Claim(msgspec.Struct, frozen=True):
    """A person of the file whose good row carries the number."""

    place: int
    os_id: int
    text: str  # the album as written
    is_owner: bool  # it was given to this person for ever


def contest(claims: Collection[Claim]) -> dict[int, Reason]:
    """Return, by place, why a person may not have the number; who may is left out.

    Two people with one album: nobody can tell whose it is, both are refused. Albums that differ only by leading zeros
    are one number: the second is refused, and the first is who has it, or else who was registered first.

    Shape:   007 of os_id 5, 7 of os_id 9 -> 9 is refused; 007 of both -> both are
    """
    if len(claims) < 2:
        return {}
    first = min(claims, key=lambda claim: (not claim.is_owner, claim.os_id))
    alike = Counter(claim.text for claim in claims)
    refused = {}
    for claim in claims:
        if alike[claim.text] > 1:
            refused[claim.place] = Reason.ALBUM_OF_TWO
        elif claim is not first:
            refused[claim.place] = Reason.ALBUM_ZERO_TWIN
    return refused


def contest_with_owner(texts: Iterable[str], owner_text: str) -> Reason:
    """Return why a newcomer may not have a number that somebody has, printed as `owner_text`."""
    return Reason.ALBUM_OF_TWO if owner_text in texts else Reason.ALBUM_ZERO_TWIN
