"""Text from outside: limit its size, normalise it, and show it without its control characters.

Every other module calls this one for Unicode normal forms.
"""

import re
import unicodedata
from typing import Literal

from idp.errors import InputTooLong

MAX_CHARS = 1024

# What a terminal obeys or hides: C0 but for tab and line feed, DEL and C1, marks that turn or break the line, halves of
# letters, invisible tags. Joiners stay: Persian and Indic names are spelt with them.
_UNSAFE_TO_SHOW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def require_short(text: str, max_chars: int = MAX_CHARS, max_bytes: int | None = None) -> None:
    """Check the size of a text, in characters and in bytes of UTF-8.

    Raises:  InputTooLong
    """
    # Characters first: this costs nothing, and bounds the work of counting bytes.
    if len(text) > max_chars:
        raise InputTooLong(f"longer than {max_chars} characters")
    if max_bytes is not None and len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise InputTooLong(f"longer than {max_bytes} bytes")


def normalize(
    text: str, form: Literal["NFC", "NFKC"] = "NFC", max_chars: int = MAX_CHARS, max_bytes: int | None = None
) -> str:
    """Return `text` in a Unicode normal form.

    Raises:  InputTooLong, before any other work
    """
    # Normalising sorts each run of combining marks by insertion, which takes quadratic time and holds the interpreter:
    # 180 kB of hostile text stopped a web process for 14 s.
    require_short(text, max_chars, max_bytes)
    return unicodedata.normalize(form, text)


def visible(text: str) -> str:
    """Return `text` with control and direction characters written as their escapes.

    Shape:   "a\\x1b[2Jb\\u202ec" -> r"a\\u001b[2Jb\\u202ec"; tabs, line feeds and all letters stay
    """
    return _UNSAFE_TO_SHOW.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    """Return the escape of a character in JSON's spelling: a JSON document stays one, with the same values."""
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
