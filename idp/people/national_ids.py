"""PESEL and identity documents: read and judged here, then kept only as keyed hashes (idp.keys.key_files)."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

PESEL_USE, PESEL_END_USE = "pesel", "pesel-end"
DOCUMENT_USE, DOCUMENT_END_USE = "document", "document-end"
"""Purposes given to `Keys.mac`, for the whole number and for its last four characters."""

_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
_CENTURY_OF_MONTH = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}  # month // 20
_SCIENTIFIC = re.compile(r"\d[.,]\d+E\+?\d+", re.ASCII | re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s/.-]")
_PESEL = re.compile(r"\d{11}", re.ASCII)
_DOCUMENT = re.compile(r"[A-Z0-9]{4,20}", re.ASCII)


class PeselFault(StrEnum):
    """What can be wrong with a PESEL; each word is a quarantine reason."""

    LOST_ZERO = "pesel_lost_zero"
    SCIENTIFIC = "pesel_scientific"
    ZEROS = "pesel_zeros"
    FORM = "pesel_form"
    CHECK_DIGIT = "pesel_check_digit"
    DATE = "pesel_date"
    FUTURE = "pesel_future"
    NOT_BIRTH_DATE = "pesel_not_birth_date"
    NOT_SEX = "pesel_not_sex"


@dataclass(frozen=True, slots=True)
class Pesel:
    """A number whose form, check digit and date are right. It must not reach logs, events or the database."""

    number: str
    born_on: date
    sex: str  # K | M

    def __repr__(self) -> str:
        return "Pesel(…)"  # a traceback or a log line must not show it


def parse_pesel(text: str) -> Pesel | PeselFault:
    """Return the PESEL in cleaned `text`, or what is wrong with it.

    Shape:   "44051401359" -> Pesel(born_on=1944-05-14, sex="M"); "4.40514E+10" -> SCIENTIFIC
             "440514-01359" -> FORM: a registry that sends separators has sent us some other column
    Source:  act on population records (2010) art. 15-16; docs/domain.md, national ids
    """
    if not _PESEL.fullmatch(text):
        return _wrong_form(text)
    if text == "00000000000":
        return PeselFault.ZEROS  # its check digit is right
    digits = [int(digit) for digit in text]
    if (10 - sum(weight * digit for weight, digit in zip(_WEIGHTS, digits[:10], strict=True)) % 10) % 10 != digits[10]:
        return PeselFault.CHECK_DIGIT
    month = int(text[2:4])
    try:
        born_on = date(_CENTURY_OF_MONTH[month // 20] + int(text[:2]), month % 20, int(text[4:6]))
    except ValueError:
        return PeselFault.DATE
    return Pesel(text, born_on, "M" if digits[9] % 2 else "K")


def pesel_check_digit(first_ten: str) -> str:
    """Return the eleventh digit that belongs to ten."""
    return str(-sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_ten, strict=True)) % 10)


def _wrong_form(text: str) -> PeselFault:
    if _SCIENTIFIC.fullmatch(text):
        return PeselFault.SCIENTIFIC
    if re.fullmatch(r"0+", text):
        return PeselFault.ZEROS
    # A spreadsheet drops the zeros of births 2000-2009. Putting them back would be a guess about who somebody is.
    return PeselFault.LOST_ZERO if re.fullmatch(r"\d{9,10}", text, re.ASCII) else PeselFault.FORM


def contradiction(pesel: Pesel, born_on: date | None, sex: str, today: date) -> PeselFault | None:
    """Return how a valid PESEL disagrees with the rest of what is known, or None. An empty `sex` is not known."""
    if pesel.born_on > today:
        return PeselFault.FUTURE
    if born_on is not None and pesel.born_on != born_on:
        return PeselFault.NOT_BIRTH_DATE
    return PeselFault.NOT_SEX if sex and pesel.sex != sex else None


def parse_document(text: str) -> str | None:
    """Return a document's number as it is matched, or None when it cannot be one.

    Shape:   "ab 123-4567" -> "AB1234567"
    """
    number = _SEPARATORS.sub("", text).upper()
    return number if _DOCUMENT.fullmatch(number) else None


def last_four(text: str) -> str:
    """Return the part of a PESEL or document number that a claim asks for, as typed or as stored.

    Shape:   " ab 123-4567" -> "4567"
    """
    return _SEPARATORS.sub("", text).upper()[-4:]
