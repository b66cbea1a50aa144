"""What a person types as their name, told apart by its shape alone. Pure."""

import re
from dataclasses import dataclass

from idp.errors import InputTooLong
from idp.people.account_queries import Key
from idp.people.values import Album, album_number
from idp.text import normalize

MAX_LENGTH = 254  # of a mail address (RFC 5321, with the path's brackets taken off)

_UID = re.compile(r"u[a-z2-9]{8}", re.ASCII)
_DIGITS = re.compile(r"\d{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identifier:
    """One way to name an account."""

    key: Key
    value: str


def tell_apart(text: str, mail_domain: str, alias_prefix: str = "s") -> Identifier | None:
    """Return what `text` is, or None when it can name nobody.

    Shape:   " S012345@Student.po.edu.pl " -> ALBUM 12345 (the alias belongs to its album even before it delivers)
             "s12345", "12345" -> ALBUM; "u7k2m9qxa" -> UID; "Anna.Nowak@student.po.edu.pl" -> MAIL, in lower case
    """
    try:
        # NFKC: full-width digits and letters of some keyboards mean the plain ones.
        name = normalize(text, "NFKC", MAX_LENGTH).strip().lower()
    except InputTooLong:
        return None
    if not name or len(name) > MAX_LENGTH or not name.isascii() or not name.isprintable():
        return None
    local, at, domain = name.partition("@")
    if at and domain != mail_domain.lower():
        return Identifier(Key.MAIL, name)
    if _DIGITS.fullmatch(local.removeprefix(alias_prefix)) and (local.startswith(alias_prefix) or not at):
        # Without leading zeros: another spelling of a number must not count as another name.
        return Identifier(Key.ALBUM, album_number(Album(local.removeprefix(alias_prefix))))
    if at:
        return Identifier(Key.MAIL, name)
    return Identifier(Key.UID, name) if _UID.fullmatch(name) else None
