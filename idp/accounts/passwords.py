"""What a new password must be, and how it is hashed. Nothing here keeps one."""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.low_level import Type

from idp.accounts.settings import AccountsSettings
from idp.errors import InputTooLong, InvalidPassword
from idp.people.names import search_key
from idp.text import normalize

MOST_BYTES = 128  # RADIUS carries no more (RFC 2865 section 5.2)
MAX_TYPED_BYTES = 4 * MOST_BYTES  # a keyboard that sends letters and accents apart needs more bytes
SCORED = 72  # characters; zxcvbn reads no more
SAFELY_UNGUESSABLE = 3  # zxcvbn's score for 10^8 guesses: what its word lists, keyboards and sequences reach lies below
WHOLE_WORD_BELOW = 4  # characters; "Li" stands in every second word, so a short name must stand alone


class Weakness(StrEnum):
    """Which rule a password breaks; the page has a sentence for each."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    OWN_DATA = "own_data"
    UNIVERSITY_WORD = "university_word"
    EASY_TO_GUESS = "easy_to_guess"


def prepared(password: str) -> str:
    """Return a password as it is hashed and compared: NFC, and otherwise exactly as typed.

    Raises:  InvalidPassword when it is far too long to be looked at
    Source:  NIST SP 800-63B-4 section 3.1.1.2; the same ż must come from every keyboard
    """
    try:
        return normalize(password, max_bytes=MAX_TYPED_BYTES)
    except InputTooLong as exc:
        raise InvalidPassword(Weakness.TOO_LONG.value) from exc


def weakness_of(
    password: str, own_words: Iterable[str], university_words: Iterable[str], min_length: int
) -> Weakness | None:
    """Return the first rule that a prepared password breaks, or None when it may be set.

    Shape:   own_words: names, album number and uid of the person. There are no rules of composition.
    Source:  NIST SP 800-63B-4 section 3.1.1.2 (length, blocklist, words of the context)
    """
    if len(password) < min_length:
        return Weakness.TOO_SHORT
    if len(password.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return Weakness.TOO_LONG
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        return Weakness.CONTROL_CHARACTER
    if _holds_any(password, own_words):
        return Weakness.OWN_DATA
    if _holds_any(password, university_words):
        return Weakness.UNIVERSITY_WORD
    return Weakness.EASY_TO_GUESS if _is_easy_to_guess(password) else None


def password_hash(password: str, settings: AccountsSettings) -> str:
    """Return the argon2id hash of a prepared password as a PHC string, `$argon2id$v=19$m=…`."""
    hasher = PasswordHasher(
        time_cost=settings.argon2_time_cost,
        memory_cost=settings.argon2_memory_kib,
        parallelism=settings.argon2_parallelism,
        type=Type.ID,
    )
    return hasher.hash(password)


def _holds_any(password: str, words: Iterable[str]) -> bool:
    """Say whether one of `words` stands in the password, whatever its case and diacritics."""
    folded = _folded(password)
    tokens = set(re.findall(r"[a-z]+|[0-9]+", folded))
    # One letter or digit says nothing about anybody, and every password has some.
    pieces = {piece for word in words for piece in re.findall(r"[a-z0-9]{2,}", _folded(word))}
    return any(piece in tokens if len(piece) < WHOLE_WORD_BELOW else piece in folded for piece in pieces)


def _folded(text: str) -> str:
    """`Źdźbło-2004` -> `zdzblo-2004`: names are folded as in matching, digits and signs stay where they are."""
    return "".join(search_key(character) or character for character in text.casefold())


def _is_easy_to_guess(password: str) -> bool:
    # Its word lists take 70 ms to load and are needed nowhere else.
    from zxcvbn import zxcvbn

    return int(zxcvbn(password[:SCORED])["score"]) < SAFELY_UNGUESSABLE
