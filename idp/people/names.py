"""Names: clean the text of a cell, find out what is not a name, and fold names for matching."""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from anyascii import anyascii

from idp.text import normalize

# Spreadsheets, web pages and word processors leave these characters behind. Readers do not see them.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\ufeff"))
# C0 and C1 controls, bidirectional embeddings, overrides and isolates, and lone surrogates. They move the cursor of a
# terminal or change the order in which text is read. Tab and line ends are blanks.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Joiners are invisible in Latin text. In Persian and Indic names they change the spelling, so they stay there.
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u08ff\u0900-\u0dff])[\u200c\u200d]")
_SPACES = re.compile(r"\s+")  # str patterns: NBSP and every other Unicode space, tabs and line ends too
_HYPHENS = re.compile(r"\s*[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]\s*")

_FORMULA = ("=", "+", "-", "@", "|", "%")  # a spreadsheet computes such a cell (OWASP: CSV injection)
# How programs write "no value". People named Null exist, so the usual spelling of a name stays.
_NO_VALUE = frozenset({"NULL", "null", "NaN", "undefined", "UNDEFINED"})
# Letters and marks of any script, spaces, hyphens, apostrophes, the dot of "Jr.", the Catalan middle dot.
_NAME = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f]|[ .'\u2019\u2018\u02bb\u02bc\u02b9`\u00b7\u200c\u200d-])+")
# Scripts with letters that look alike, so that one can pose as another (Unicode TR 39, confusables).
_LOOK_ALIKE_SCRIPTS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "DESERET"})

# How one-byte encodings show the first byte of a European or Vietnamese letter in UTF-8, and one byte more.
_LEAD_BYTE = re.compile("[ÂĂÃÄĹÅČÈáâ][^\x00-\x7f]")
_LETTERS_MEANT = re.compile("[\u00c0-\u017f\u0218-\u021b\u1e00-\u1eff]")

# Polish letters come first: their transliteration must not change with a library (docs/domain.md, names).
_POLISH = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")


_LATIN = re.compile("[\x00-\u024f\u1e00-\u1eff]*")


class NameFault(StrEnum):
    """What can be wrong with a name. Each word is a quarantine reason."""

    NO_LETTER = "name_no_letter"
    NO_VALUE = "name_no_value"
    FORMULA = "name_formula"
    QUESTION_MARK = "name_question_mark"
    MOJIBAKE = "name_mojibake"
    CHARACTERS = "name_characters"
    MIXED_SCRIPTS = "name_mixed_scripts"
    TOO_LONG = "name_too_long"


def has_control_characters(text: str) -> bool:
    """Return whether `text` contains control characters: C0, C1, bidirectional controls or lone surrogates.

    Shape:   "W\\x1bEAI" -> True; "W\\x9bEAI" -> True; "a\\u202eb" -> True; "a\\tb\\n" -> False
    """
    # Every control character is unprintable, and telling that takes a fraction of the search.
    return not text.isprintable() and _CONTROL.search(text) is not None


def without_control_characters(text: str) -> str:
    """Return `text` with a replacement character for each control character, for names of files in tables and events.

    Shape:   "a\\x1b[2J.csv" -> "a\ufffd[2J.csv"
    """
    return _CONTROL.sub("\ufffd", text)


def clean(text: str) -> str:
    """Return `text` in NFC, without invisible characters, with single spaces between words.

    Shape:   "Zoe\\u0308\\u00a0 Nowak\\u200b" -> "Zoë Nowak"
    Raises:  InputTooLong
    """
    if text.isascii():  # nearly every cell, in a third of the time
        return " ".join(text.split())
    text = normalize(text).translate(_INVISIBLE)
    return _SPACES.sub(" ", _STRAY_JOINER.sub("", text)).strip()


def clean_name(text: str) -> str:
    """Return a cleaned name with plain hyphens, no blanks around them, and not in capitals.

    Shape:   "KOWALSKA - NOWAK" -> "Kowalska-Nowak"
    """
    return without_capitals(_HYPHENS.sub("-", clean(text)).rstrip("-"))


def without_capitals(name: str) -> str:
    """Return a name that is wholly in capitals in the usual spelling. Return any other name unchanged.

    Capitals come from a keyboard or a document's printing; they are not the name's spelling. A mixed spelling
    (`McDonald`, `von der Leyen`) is intended and stays.

    Shape:   "O'CONNOR" -> "O'Connor", "YILDIRIM" -> "Yildirim", "İNAN" -> "İnan", "X" -> "X", "McDonald" -> "McDonald"
    """
    if len(name) < 2 or not name.isupper() or name in _NO_VALUE:
        return name
    # str.title() starts a new word after every non-letter, including marks. Turkish İ would become i and a dot.
    lowered = (name.replace("I", "ı").replace("İ", "i") if "İ" in name else name).lower()
    starts = [0, *(place + 1 for place, character in enumerate(name) if character in " -'’.")]
    letters = list(lowered)
    for place in starts:
        if place < len(name) and len(lowered) == len(name):
            letters[place] = name[place]
    return "".join(letters)


def fault_of(name: str, longest: int = 64) -> NameFault | None:
    """Return what is wrong with a cleaned name, or None. An empty name has no fault.

    Shape:   "=cmd|'/c calc'!A1" -> FORMULA, "Ma?gorzata" -> QUESTION_MARK, "MaĹ‚gorzata" -> MOJIBAKE,
             "\\u0410nna" (Cyrillic A) -> MIXED_SCRIPTS, "..." -> NO_LETTER, "NULL" -> NO_VALUE
    """
    if not name:
        return None
    if name.startswith(_FORMULA):
        return NameFault.FORMULA
    if len(name) > longest:
        return NameFault.TOO_LONG
    if "?" in name or "\ufffd" in name:
        return NameFault.QUESTION_MARK
    if not name.isascii() and is_mojibake(name):
        return NameFault.MOJIBAKE
    if not _NAME.fullmatch(name) and not _only_name_characters(name):
        return NameFault.CHARACTERS
    if not any(map(str.isalpha, name)):
        return NameFault.NO_LETTER
    if name in _NO_VALUE:
        return NameFault.NO_VALUE
    return NameFault.MIXED_SCRIPTS if mixes_scripts(name) else None


def is_mojibake(text: str) -> bool:
    """Return whether `text` is UTF-8 that was read in a one-byte encoding.

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
    # Two capitals of a real name can be the bytes of one letter, but that letter is of another script.
    letters = [letter for letter in meant if letter.isalpha() and not letter.isascii()]
    return len(meant) < len(text) and all(_LETTERS_MEANT.match(letter) for letter in letters)


def mixes_scripts(text: str) -> bool:
    """Return whether `text` has letters of several scripts that look alike.

    Shape:   "\\u0410nna" (Cyrillic A) -> True; "Անна" (Armenian, Cyrillic) -> True; "李 Li" -> False
    """
    if _LATIN.fullmatch(text):  # nearly every name
        return False
    return len({script_of(letter) for letter in text if letter.isalpha()} & _LOOK_ALIKE_SCRIPTS) > 1


@lru_cache(maxsize=4096)
def script_of(letter: str) -> str:
    """Return the script of a letter: the first word of its Unicode name.

    Shape:   "ż" -> "LATIN"; "Ж" -> "CYRILLIC"; "李" -> "CJK"
    """
    return unicodedata.name(letter, "").partition(" ")[0]


def _only_name_characters(name: str) -> bool:
    # \w leaves out the marks of most scripts (vowel signs of Devanagari, points of Hebrew). This is slow and exact.
    return all(_NAME.fullmatch(character) or unicodedata.category(character)[0] in "LM" for character in name)


def to_ascii(text: str) -> str:
    """Return the letters, marks, hyphens, apostrophes and spaces of `text` in ASCII. Drop other characters.

    Shape:   "Źdźbło" -> "Zdzblo", "Großmann" -> "Grossmann", "Щербак" -> "Shcherbak", "😀" -> ""
    Source:  docs/domain.md, names: Polish table, then anyascii; NFKD would lose ł, đ and ø
    """
    if text.isascii():
        kept = text
    else:
        # anyascii writes an emoji as :grinning:, so characters that are not part of a name are dropped first.
        kept = "".join(c for c in normalize(text) if c in " -'’" or unicodedata.category(c)[0] in "LM")
    return anyascii(kept.translate(_POLISH))


def search_key(text: str) -> str:
    """Return `text` folded for matching: without case, diacritics and apostrophes; a hyphen becomes a space.

    Shape:   "Kowalska - Żółć" and "KOWALSKA ZOLC" -> "kowalska zolc"; "O’Connor" and "OConnor" -> "oconnor"
    """
    letters = to_ascii(clean(text)).lower()
    return " ".join(re.sub(r"[^a-z]+", " ", re.sub(r"['`’.]", "", letters)).split())
