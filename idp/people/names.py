"""Names: clean text as registries send it, spot what is no name, and fold names for matching."""

import re
import unicodedata
from enum import StrEnum

from anyascii import anyascii

from idp.text import normalize

# A spreadsheet, a copied web page and a Mac leave these behind; a reader sees none of them.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u180e\u200b\u200e\u200f\u2060\ufeff"))
# Joiners are invisible in Latin text and change the spelling of Persian or Indic names, where they stay.
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u08ff\u0900-\u0dff])[\u200c\u200d]")
_SPACES = re.compile(r"\s+")  # str patterns: NBSP and every other Unicode space, tabs and line ends too
_HYPHENS = re.compile(r"\s*[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]\s*")

_FORMULA = ("=", "+", "-", "@", "|", "%")  # what a spreadsheet starts to compute (OWASP: CSV injection)
# Letters and marks of any script, spaces, hyphens, apostrophes, the dot of "Jr.", the Catalan middle dot.
_NAME = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f]|[ .'\u2019\u2018\u02bb\u02bc\u02b9`\u00b7\u200c\u200d-])+")
_LATIN = re.compile(r"[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0250-\u02af\u1e00-\u1eff]")
_GREEK = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")
_CYRILLIC = re.compile(r"[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]")

# First bytes of the UTF-8 of European and Vietnamese letters, as one-byte encodings show them, and a byte more.
_LEAD_BYTE = re.compile("[ÂĂÃÄĹÅČÈáâ][^\x00-\x7f]")
_LETTERS_MEANT = re.compile("[\u00c0-\u017f\u0218-\u021b\u1e00-\u1eff]")

# Our own letters first: libraries disagree on nothing here, and must not begin to (docs/domain.md, names).
_POLISH = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")


class NameFault(StrEnum):
    """What can be wrong with a name; each word is a quarantine reason."""

    FORMULA = "name_formula"
    QUESTION_MARK = "name_question_mark"
    MOJIBAKE = "name_mojibake"
    CHARACTERS = "name_characters"
    MIXED_SCRIPTS = "name_mixed_scripts"
    TOO_LONG = "name_too_long"


def clean(text: str) -> str:
    """Return `text` composed (NFC), without invisible characters, with single plain spaces and none at the ends.

    Shape:   "Zoe\\u0308\\u00a0 Nowak\\u200b" -> "Zoë Nowak"
    Raises:  InputTooLong
    """
    if text.isascii():  # nearly every cell: a third of the time
        return " ".join(text.split())
    text = normalize(text).translate(_INVISIBLE)
    return _SPACES.sub(" ", _STRAY_JOINER.sub("", text)).strip()


def clean_name(text: str) -> str:
    """Return a cleaned name with plain hyphens that stand close, and not in capitals.

    Shape:   "KOWALSKA - NOWAK" -> "Kowalska-Nowak"
    """
    return without_capitals(_HYPHENS.sub("-", clean(text)).rstrip("-"))


def without_capitals(name: str) -> str:
    """Return a name written wholly in capitals as people write it; any other stays as it is.

    Capitals are a habit of one keyboard or of a document's printing, not a spelling: they would shout from every page
    and mail header. A mixed spelling (`McDonald`, `von der Leyen`) is meant and is kept.

    Shape:   "O'CONNOR" -> "O'Connor", "YILDIRIM" -> "Yildirim", "İNAN" -> "İnan", "X" -> "X", "McDonald" -> "McDonald"
    """
    if len(name) < 2 or not name.isupper():
        return name
    # str.title() breaks after every non-letter, marks included; Turkish İ would become i + a loose dot.
    lowered = (name.replace("I", "ı").replace("İ", "i") if "İ" in name else name).lower()
    starts = [0, *(place + 1 for place, character in enumerate(name) if character in " -'’.")]
    letters = list(lowered)
    for place in starts:
        if place < len(name) and len(lowered) == len(name):
            letters[place] = name[place]
    return "".join(letters)


def fault_of(name: str, longest: int = 64) -> NameFault | None:
    """Return what is wrong with a cleaned name, or None.

    Shape:   "=cmd|'/c calc'!A1" -> FORMULA, "Ma?gorzata" -> QUESTION_MARK, "MaĹ‚gorzata" -> MOJIBAKE,
             "\\u0410nna" (Cyrillic A) -> MIXED_SCRIPTS
    """
    if name.startswith(_FORMULA):
        return NameFault.FORMULA
    if len(name) > longest:
        return NameFault.TOO_LONG
    if "?" in name or "\ufffd" in name:
        return NameFault.QUESTION_MARK
    if name.isascii():
        return None if not name or _NAME.fullmatch(name) else NameFault.CHARACTERS
    if is_mojibake(name):
        return NameFault.MOJIBAKE
    if not _only_name_characters(name):
        return NameFault.CHARACTERS
    return NameFault.MIXED_SCRIPTS if mixes_scripts(name) else None


def is_mojibake(text: str) -> bool:
    """Say whether `text` is UTF-8 that somebody read as a one-byte encoding.

    Shape:   "Å\\x81ukasz", "Ĺukasz", "WiÅ›niewski" -> True; "KÓŁKO" -> False, though its bytes are valid UTF-8 too
    """
    return bool(_LEAD_BYTE.search(text)) and any(
        _reads_better(text, encoding) for encoding in ("cp1250", "cp1252", "latin-1", "iso8859-2")
    )


def _reads_better(text: str, encoding: str) -> bool:
    try:
        meant = text.encode(encoding).decode("utf-8")
    except UnicodeError:
        return False
    # Two capitals of a real name may happen to be the bytes of one letter, but of another script or of none in use.
    letters = [letter for letter in meant if letter.isalpha() and not letter.isascii()]
    return len(meant) < len(text) and all(_LETTERS_MEANT.match(letter) for letter in letters)


def mixes_scripts(text: str) -> bool:
    """Say whether letters of Latin, Greek and Cyrillic stand together: they look alike, so one poses as another."""
    greek, cyrillic = bool(_GREEK.search(text)), bool(_CYRILLIC.search(text))
    if not greek and not cyrillic:
        return False
    return (greek and cyrillic) or bool(_LATIN.search(text))


def _only_name_characters(name: str) -> bool:
    if _NAME.fullmatch(name):
        return True
    # \w leaves out the marks of most scripts (vowel signs of Devanagari, points of Hebrew); this is the slow exact way.
    return all(_NAME.fullmatch(character) or unicodedata.category(character)[0] in "LM" for character in name)


def to_ascii(text: str) -> str:
    """Return letters, marks, hyphens, apostrophes and spaces of `text` in ASCII; other characters are dropped.

    Shape:   "Źdźbło" -> "Zdzblo", "Großmann" -> "Grossmann", "Щербак" -> "Shcherbak", "😀" -> ""
    Source:  docs/domain.md, names: Polish table, then anyascii; NFKD would lose ł, đ and ø
    """
    if text.isascii():
        kept = text
    else:
        # anyascii would spell an emoji out as :grinning:, so what is no part of a name goes first.
        kept = "".join(c for c in normalize(text) if c in " -'’" or unicodedata.category(c)[0] in "LM")
    return anyascii(kept.translate(_POLISH))


def search_key(text: str) -> str:
    """Return `text` folded for matching: no case, no diacritics, no apostrophes, a hyphen is a space.

    Shape:   "Kowalska - Żółć" and "KOWALSKA ZOLC" -> "kowalska zolc"; "O’Connor" and "OConnor" -> "oconnor"
    """
    letters = to_ascii(clean(text)).lower()
    return " ".join(re.sub(r"[^a-z]+", " ", re.sub(r"['`’.]", "", letters)).split())
