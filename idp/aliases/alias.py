"""Make the alias `s<album>@…` from the album number."""

import re

from idp.people.values import Album


def alias_local_part(album: Album, prefix: str) -> str:
    """Return the part before the @ of the alias that belongs to `album` alone.

    Shape:   "12345" -> "s12345"; leading zeros kept, as on the student card
    Source:  student account instruction, step 3
    """
    return prefix + album


def alias_address(album: Album, prefix: str, domain: str) -> str:
    """Return the whole alias: `s12345@student.po.edu.pl`."""
    return f"{alias_local_part(album, prefix)}@{domain}"


def has_alias_form(local_part: str, prefix: str) -> bool:
    """Return whether `local_part` has the form of an album's alias, whether the album exists or not."""
    return re.fullmatch(rf"{prefix}[0-9]+", local_part) is not None
