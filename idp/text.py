"""Text from outside: limit its size, then normalise it. Every other module calls this one for Unicode normal forms."""

import unicodedata
from typing import Literal

from idp.errors import InputTooLong

MAX_CHARS = 1024


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
