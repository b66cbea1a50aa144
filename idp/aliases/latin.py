"""A name in any script -> the plain letters of a mail address."""

import re
import unicodedata

from anyascii import anyascii

POLISH = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")
APOSTROPHES = "'’‘ʼ`´"
DELETED = re.compile("['’`\".]")
OTHER = re.compile(r"[^a-z0-9]+")


def latin(name: str) -> str:
    """Return `name` in the letters a-z, its words joined by hyphens; empty when nothing can be read.

    Shape:   "Źdźbło - Ćwik" -> "zdzblo-cwik"; "O’Connor" -> "oconnor"; "李" -> "li"; "😀" -> ""
    Source:  docs/domain.md, mail names
    """
    # What is no letter goes first: anyascii would spell an emoji out (":grinning:").
    kept = "".join(_kept(character) for character in unicodedata.normalize("NFC", name))
    plain = anyascii(kept.translate(POLISH)).lower()
    return OTHER.sub("-", DELETED.sub("", plain)).strip("-")


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LM":
        return character
    if category == "Pd":
        return "-"
    if category == "Zs":
        return " "
    return character if character in APOSTROPHES else ""
