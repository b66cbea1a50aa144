"""Read one row of the export: its columns and their rules (docs/domain.md, registry export)."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

import msgspec

from idp.errors import InputTooLong
from idp.people import national_ids
from idp.people.names import clean, clean_name, fault_of, has_control_characters, mixes_scripts
from idp.people.national_ids import Pesel, PeselFault
from idp.people.queries import Identity
from idp.people.values import Enrolment, Status
from idp.registry.reasons import Reason, Remark

COLUMNS: Final = (
    *("os_id", "nr_albumu", "imie", "imie2", "prefiks_nazwiska", "nazwisko", "nazwisko_poprzednie"),
    *("data_ur", "plec", "pesel", "dok_rodzaj", "dok_numer", "dok_kraj", "obywatelstwo", "email_prywatny", "telefon"),
    *("prog_kod", "prog_nazwa", "jednostka", "poziom", "forma"),
    *("status", "status_od", "data_przyjecia", "data_zakonczenia", "zmieniono"),
)
AT: Final = {name: place for place, name in enumerate(COLUMNS)}
LEVELS: Final = frozenset({"1", "2", "JM", "3", "PD"})
FORMS: Final = frozenset({"S", "N"})
STATUSES: Final = {status.value: status for status in Status}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
TIMESTAMP: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})", re.ASCII
)
_ALBUM = re.compile(r"\d{1,10}", re.ASCII)
_COUNTRIES = re.compile(r"[A-Z]{2}(?:\|[A-Z]{2}){0,19}")
# Good enough to write a letter to; the mailer checks again. Blanks and line ends could forge mail headers.
_MAIL = re.compile(r"[^\s@<>()\",;:\\\x00-\x1f]{1,64}@[^\s@<>()\",;:\\\x00-\x1f]+\.[^\s@<>()\",;:\\\x00-\x1f.]{2,}")
_CACHED: Final = 20_000  # cells of one column; most columns repeat a few values
_FORMULA = ("=", "+", "-", "@", "|", "%")


class BadRow(Exception):
    """A row for the quarantine. This exception never leaves the package."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Rules(msgspec.Struct, frozen=True):
    """What the rules need besides the row."""

    today: date
    believed_until: datetime  # a later `zmieniono` is not believed
    mac: Callable[[str, str], str]  # Keys.mac: purpose, text -> keyed hash


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """Programme and age of a row. They are read first, because a stale row is skipped even if it is invalid."""

    programme: str
    changed_at: datetime


class Row(msgspec.Struct, frozen=True, gc=False):
    """A valid row."""

    line: int
    changed_at: datetime
    identity: Identity
    enrolment: Enrolment
    remarks: tuple[Remark, ...]
    capitals: tuple[str, ...] = ()  # fields of the identity that were written in capitals


def read_stamp(fields: Sequence[str], rules: Rules) -> Stamp:
    """Return programme and age of a row.

    Raises:  BadRow
    """
    programme = _programme_code(fields[AT["prog_kod"]])
    return Stamp(programme, _changed_at(fields[AT["zmieniono"]].strip(), rules.believed_until))


@lru_cache(maxsize=_CACHED)  # a university has a few hundred programmes
def _programme_code(cell: str) -> str:
    if has_control_characters(cell):  # the programme of a quarantined row is shown in terminals
        raise BadRow(Reason.CONTROL_CHARACTERS)
    try:
        programme = clean(cell)
    except InputTooLong:
        raise BadRow(Reason.TEXT_TOO_LONG) from None
    if not programme:
        raise BadRow(Reason.PROGRAMME_MISSING)
    if len(programme) > 32:
        raise BadRow(Reason.TEXT_TOO_LONG)
    return programme


def _changed_at(text: str, believed_until: datetime) -> datetime:
    if not TIMESTAMP.fullmatch(text):  # fromisoformat alone takes a time without an offset, which is no instant
        raise BadRow(Reason.CHANGED_FORM)
    try:
        changed_at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(Reason.CHANGED_FORM) from None
    if changed_at.year < 1900:
        raise BadRow(Reason.CHANGED_FORM)
    if changed_at.year > 2200 or changed_at > believed_until:
        raise BadRow(Reason.CHANGED_IN_FUTURE)
    return changed_at.astimezone(UTC)


def read_row(line: int, fields: Sequence[str], stamp: Stamp, rules: Rules) -> Row:
    """Return a valid row.

    Raises:  BadRow with the first fault
    """
    if has_control_characters(";".join(fields)):
        raise BadRow(Reason.CONTROL_CHARACTERS)
    remarks: list[Remark] = []
    try:
        enrolment = _enrolment(fields, stamp)
        identity = _identity(fields, rules, remarks)
    except InputTooLong:
        raise BadRow(Reason.TEXT_TOO_LONG) from None
    capitals = _in_capitals(fields)
    if capitals:
        remarks.append(Remark.NAME_IN_CAPITALS)
    return Row(line, stamp.changed_at, identity, enrolment, tuple(remarks), capitals)


def _enrolment(fields: Sequence[str], stamp: Stamp) -> Enrolment:
    if stamp.programme.startswith(_FORMULA):
        raise BadRow(Reason.TEXT_FORMULA)
    name, unit, level, form = _programme(*fields[_PROGRAMME_COLUMNS])
    status = STATUSES.get(fields[AT["status"]].strip())
    if status is None:
        raise BadRow(Reason.STATUS_UNKNOWN)
    status_from = _date(fields[AT["status_od"]])
    if status_from is None:
        raise BadRow(Reason.DATE_FORM)
    admitted_on, ends_on = _date(fields[AT["data_przyjecia"]]), _date(fields[AT["data_zakonczenia"]])
    return Enrolment(stamp.programme, name, unit, level, form, status, status_from, admitted_on, ends_on)


_PROGRAMME_COLUMNS = slice(AT["prog_nazwa"], AT["forma"] + 1)


@lru_cache(maxsize=_CACHED)
def _programme(name: str, unit: str, level: str, form: str) -> tuple[str, str, str, str]:
    name, unit, level, form = clean(name), clean(unit), level.strip(), form.strip()
    if not name or not unit:
        raise BadRow(Reason.TEXT_MISSING)
    if len(name) > 200 or len(unit) > 64:
        raise BadRow(Reason.TEXT_TOO_LONG)
    if name.startswith(_FORMULA) or unit.startswith(_FORMULA):
        raise BadRow(Reason.TEXT_FORMULA)
    if level not in LEVELS:
        raise BadRow(Reason.LEVEL_FORM)
    if form not in FORMS:
        raise BadRow(Reason.FORM_FORM)
    return name, unit, level, form


def _identity(fields: Sequence[str], rules: Rules, remarks: list[Remark]) -> Identity:
    names = _names(fields)
    born_on = _date(fields[AT["data_ur"]])
    if born_on is not None and born_on > rules.today:
        raise BadRow(Reason.BIRTH_IN_FUTURE)
    sex = fields[AT["plec"]].strip()
    if sex not in ("", "K", "M"):
        raise BadRow(Reason.SEX_FORM)
    citizenships = _citizenships(fields[AT["obywatelstwo"]])
    pesel = _pesel(fields, born_on, sex, rules.today)
    if pesel is None and "PL" in citizenships.split("|"):
        raise BadRow(Reason.PESEL_MISSING)
    document = _document(fields, remarks, is_needed=pesel is None)
    mac = rules.mac
    return Identity(
        album=_album(fields),
        given_name=names[0],
        middle_name=names[1],
        surname_prefix=names[2],
        surname=names[3],
        previous_surname=names[4],
        born_on=born_on or (pesel.born_on if pesel else None),
        sex=sex or (pesel.sex if pesel else ""),
        citizenships=citizenships,
        private_mail=_mail(fields, remarks),
        pesel_mac=mac(national_ids.PESEL_USE, pesel.number) if pesel else None,
        pesel_end_mac=mac(national_ids.PESEL_END_USE, pesel.number[-4:]) if pesel else None,
        document_mac=mac(national_ids.DOCUMENT_USE, ":".join(document)) if document else None,
        document_end_mac=mac(national_ids.DOCUMENT_END_USE, national_ids.last_four(document[1])) if document else None,
    )


@lru_cache(maxsize=_CACHED)
def _citizenships(cell: str) -> str:
    countries = clean(cell).upper()
    if countries and not _COUNTRIES.fullmatch(countries):
        raise BadRow(Reason.CITIZENSHIP_FORM)
    return countries


NAME_FIELDS: Final = ("given_name", "middle_name", "surname_prefix", "surname", "previous_surname")
_NAME_COLUMNS = slice(AT["imie"], AT["nazwisko_poprzednie"] + 1)


def _in_capitals(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the names that are written in capitals; one capital letter alone is not."""
    cells = fields[_NAME_COLUMNS]
    if not any(map(str.isupper, cells)):  # nearly every row
        return ()
    return tuple(name for name, cell in zip(NAME_FIELDS, cells, strict=True) if cell.isupper() and len(clean(cell)) > 1)


def _names(fields: Sequence[str]) -> tuple[str, str, str, str, str]:
    raw = fields[_NAME_COLUMNS]
    given, middle, prefix, surname, previous = map(_name, raw)
    if not given and not surname:
        raise BadRow(Reason.NAME_MISSING)
    if mixes_scripts(given + surname):
        raise BadRow(Reason.NAME_MIXED_SCRIPTS)
    return given, middle, prefix.lower() if raw[2].isupper() else prefix, surname, previous


@lru_cache(maxsize=_CACHED)  # names repeat
def _name(cell: str) -> str:
    try:
        name = clean_name(cell)
    except InputTooLong:
        raise BadRow(Reason.NAME_TOO_LONG) from None
    if fault := fault_of(name):
        raise BadRow(Reason(fault.value))
    return name


def _album(fields: Sequence[str]) -> str | None:
    text = clean(fields[AT["nr_albumu"]])
    if not text:
        return None
    if not _ALBUM.fullmatch(text):
        raise BadRow(Reason.ALBUM_FORM)
    return text


def _pesel(fields: Sequence[str], born_on: date | None, sex: str, today: date) -> Pesel | None:
    text = clean(fields[AT["pesel"]])
    if not text:
        return None
    found = national_ids.parse_pesel(text)
    fault = found if isinstance(found, PeselFault) else national_ids.contradiction(found, born_on, sex, today)
    if fault is not None:
        raise BadRow(Reason(fault.value))
    assert isinstance(found, Pesel)
    return found


def _document(fields: Sequence[str], remarks: list[Remark], *, is_needed: bool) -> tuple[str, str] | None:
    """Return country and number. The kind of document is not stored, because no rule uses it."""
    text = clean(fields[AT["dok_numer"]])
    if not text:
        if is_needed:
            raise BadRow(Reason.IDENTITY_MISSING)
        return None
    country = clean(fields[AT["dok_kraj"]]).upper()
    number = national_ids.parse_document(text)
    if number is not None and re.fullmatch(r"[A-Z]{2,3}", country):
        return country, number
    if is_needed:
        raise BadRow(Reason.DOCUMENT_FORM)
    remarks.append(Remark.DOCUMENT_UNUSABLE)
    return None


def _mail(fields: Sequence[str], remarks: list[Remark]) -> str:
    """Return the private address, or "" for an unusable one. It does not say who somebody is, so the row is valid."""
    text = clean(fields[AT["email_prywatny"]])
    if text and (len(text) > 254 or not _MAIL.fullmatch(text)):
        remarks.append(Remark.MAIL_UNUSABLE)
        return ""
    return text


@lru_cache(maxsize=_CACHED)  # dates repeat: a year's students were admitted on one day
def _date(field: str) -> date | None:
    text = field.strip()
    if not text:
        return None
    # date.fromisoformat alone also takes 20261001 and 2026-W40-4.
    if not _DATE.fullmatch(text):
        raise BadRow(Reason.DATE_FORM)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRow(Reason.DATE_FORM) from None
    if not 1850 <= day.year <= 2200:
        raise BadRow(Reason.DATE_FORM)
    return day
