"""PESEL and identity documents: read and check them. Only keyed hashes of them are stored (Keys.mac)."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from stdnum.exceptions import InvalidComponent
from stdnum.pl import pesel as stdnum_pesel

PESEL_USE, PESEL_END_USE = "pesel", "pesel-end"
DOCUMENT_USE, DOCUMENT_END_USE = "document", "document-end"
"""Purposes for `Keys.mac`: of the whole number, and of its last four characters."""

_SCIENTIFIC = re.compile(r"\d[.,]\d+E\+?\d+", re.ASCII | re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s/.-]")
_PESEL = re.compile(r"\d{11}", re.ASCII)
_DOCUMENT = re.compile(r"[A-Z0-9]{4,20}", re.ASCII)


class PeselFault(StrEnum):
    """What can be wrong with a PESEL. Each word is a quarantine reason."""

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
    """A number with a valid form, check digit and date. It must not reach logs, events or the database."""

    number: str
    born_on: date
    sex: str  # K | M

    def __repr__(self) -> str:
        return "Pesel(…)"  # a traceback or a log line must not show the number


def parse_pesel(text: str) -> Pesel | PeselFault:
    """Return the PESEL in cleaned `text`, or what is wrong with it.

    Shape:   "44051401359" -> Pesel(born_on=1944-05-14, sex="M"); "4.40514E+10" -> SCIENTIFIC
             "440514-01359" -> FORM: separators show that the column holds something else
    Source:  act on population records (2010) art. 15-16; docs/domain.md, national ids
    """
    # python-stdnum removes separators and accepts other scripts' digits, so the form is checked first.
    if not _PESEL.fullmatch(text):
        return _wrong_form(text)
    if text == "00000000000":
        return PeselFault.ZEROS  # its check digit is valid
    if stdnum_pesel.calc_check_digit(text[:10]) != text[10]:
        return PeselFault.CHECK_DIGIT
    born_on = _birth_date(text[:6])
    if born_on is None:
        return PeselFault.DATE
    return Pesel(text, born_on, "M" if int(text[9]) % 2 else "K")


@lru_cache(maxsize=20_000)  # people of one age share a few thousand birth dates
def _birth_date(first_six: str) -> date | None:
    try:
        return stdnum_pesel.get_birth_date(first_six)
    except InvalidComponent:
        return None


def _wrong_form(text: str) -> PeselFault:
    if _SCIENTIFIC.fullmatch(text):
        return PeselFault.SCIENTIFIC
    if re.fullmatch(r"0+", text):
        return PeselFault.ZEROS
    # A spreadsheet drops the leading zeros of births 2000-2009. To restore them would be a guess about a person.
    return PeselFault.LOST_ZERO if re.fullmatch(r"\d{9,10}", text, re.ASCII) else PeselFault.FORM


def contradiction(pesel: Pesel, born_on: date | None, sex: str, today: date) -> PeselFault | None:
    """Return how a valid PESEL contradicts the other columns, or None. An empty `sex` is unknown."""
    if pesel.born_on > today:
        return PeselFault.FUTURE
    if born_on is not None and pesel.born_on != born_on:
        return PeselFault.NOT_BIRTH_DATE
    return PeselFault.NOT_SEX if sex and pesel.sex != sex else None


def parse_document(text: str) -> str | None:
    """Return a document's number in the form that is matched, or None if it cannot be one.

    Shape:   "ab 123-4567" -> "AB1234567"
    """
    number = _SEPARATORS.sub("", text).upper()
    return number if _DOCUMENT.fullmatch(number) else None


def last_four(text: str) -> str:
    """Return the last four characters of a PESEL or document number: what a claim asks for.

    Shape:   " ab 123-4567" -> "4567"
    """
    return _SEPARATORS.sub("", text).upper()[-4:]
