"""Texts that come from outside: cleaned of what nobody sees, refused where nobody can read them."""

import unicodedata

from idp.errors import InvalidInput
from idp.text import normalize

INVISIBLE = "Cf"  # zero-width blanks and joiners, direction marks, byte order marks
UNREADABLE = {"Cc", "Cs", "Cn", "Co"}  # control characters, halves of letters, what no font has


def clean(text: str) -> str:
    """Return `text` composed (NFC), without invisible characters, blanks reduced to single spaces.

    Raises:  InputTooLong; InvalidInput for control characters and the like
    """
    visible = "".join(letter for letter in normalize(text) if unicodedata.category(letter) != INVISIBLE)
    reduced = " ".join(visible.split())
    if any(unicodedata.category(letter) in UNREADABLE for letter in reduced):
        raise InvalidInput("holds characters that nobody can read")
    return reduced
