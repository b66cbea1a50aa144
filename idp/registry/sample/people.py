"""Invented people and their rows.

Their births lie in 1900-1907: nobody alive owns such a PESEL (docs/domain.md, national ids), and a valid number of a
plausible birth year might be somebody's. So these students are 119 years old and more, on purpose. Telephone numbers
begin with 000, mail addresses are of example.com and example.org.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from stdnum.pl.pesel import calc_check_digit

from idp.people.names import to_ascii
from idp.registry.rows import COLUMNS
from idp.registry.sample.names import NATIONS, POLISH_MEN, POLISH_SURNAMES, POLISH_WOMEN

ZONE: Final = ZoneInfo("Europe/Warsaw")
FIRST_OS_ID: Final = 200_001
FIRST_ALBUM: Final = 90_001
FIRST_BIRTH: Final = date(1900, 1, 1)
BIRTH_DAYS: Final = (date(1908, 1, 1) - FIRST_BIRTH).days
SERIALS: Final = 5_000  # of a day and sex
STEP: Final = 6_700_417  # a prime that divides neither days nor serials: every number comes once

FACULTIES: Final = (
    ("WEAI", (("INF", "Informatyka"), ("AIR", "Automatyka i robotyka"), ("ELE", "Elektrotechnika"))),
    ("WM", (("MIBM", "Mechanika i budowa maszyn"), ("MECH", "Mechatronika"), ("ENER", "Energetyka"))),
    ("WBIA", (("BUD", "Budownictwo"), ("ARCH", "Architektura"))),
    ("WEIZ", (("EKON", "Ekonomia"), ("LOG", "Logistyka"), ("ZARZ", "Zarządzanie i inżynieria produkcji"))),
    ("WWFIF", (("FIZ", "Fizjoterapia"), ("TIR", "Turystyka i rekreacja"))),
)
LONG_STUDIES: Final = ("ARCH", "FIZ")  # one long cycle instead of two


@dataclass(frozen=True, slots=True)
class Studies:
    """One programme of an invented person."""

    programme: str
    name: str
    unit: str
    level: str
    form: str
    status: str
    status_from: date
    admitted_on: date
    ends_on: date | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Invented:
    """An invented person; `album` and the like are written as they are, so that a case may spoil them."""

    os_id: str
    album: str
    given_name: str
    middle_name: str
    prefix: str
    surname: str
    previous_surname: str
    born_on: str
    sex: str
    pesel: str
    document_kind: str
    document: str
    document_country: str
    citizenships: str
    mail: str
    phone: str
    studies: tuple[Studies, ...] = field(default_factory=tuple)

    def rows(self) -> Iterator[list[str]]:
        """Yield one row per programme."""
        for one in self.studies:
            yield self.row(one)

    def row(self, one: Studies) -> list[str]:
        """Return the row of one programme, in the order of the columns."""
        return [
            *(self.os_id, self.album, self.given_name, self.middle_name, self.prefix, self.surname),
            *(self.previous_surname, self.born_on, self.sex, self.pesel, self.document_kind, self.document),
            *(self.document_country, self.citizenships, self.mail, self.phone),
            *(one.programme, one.name, one.unit, one.level, one.form, one.status, one.status_from.isoformat()),
            *(one.admitted_on.isoformat(), one.ends_on.isoformat() if one.ends_on else ""),
            one.changed_at.isoformat(timespec="seconds"),
        ]


assert len(COLUMNS) == 26


@dataclass(frozen=True, slots=True)
class World:
    """What all people of one sample share."""

    seed: int
    as_of: date

    @property
    def year(self) -> int:
        """The calendar year in which the academic year of `as_of` began, on 1 October."""
        return self.as_of.year if self.as_of.month >= 10 else self.as_of.year - 1

    def begin(self, years_ago: int = 0) -> date:
        return date(self.year - years_ago, 10, 1)


def invent(world: World, place: int, source: random.Random, story: str, *, polish: bool = False) -> Invented:
    """Return the person at `place` of a sample; `polish`: a name whose parts a case may replace one by one."""
    is_woman = source.random() < 0.48
    is_polish = source.random() > 0.11 or polish
    if is_polish:
        given, middle, prefix, surname, country = *_polish_name(source, is_woman), "PL"
    else:
        given, middle, prefix, surname, country = _foreign_name(source, is_woman)
    born_on, pesel = birth_and_pesel(world.seed, place, is_woman=is_woman)
    has_pesel = is_polish or source.random() < 0.4
    album = str(FIRST_ALBUM + place)
    return Invented(
        os_id=str(FIRST_OS_ID + place),
        album=album,
        given_name=given,
        middle_name=middle,
        prefix=prefix,
        surname=surname,
        previous_surname="",
        born_on=born_on.isoformat(),
        sex="K" if is_woman else "M",
        pesel=pesel if has_pesel else "",
        document_kind="" if is_polish else "paszport",
        document="" if is_polish else f"{country}{source.randrange(10**7):07d}",
        document_country="" if is_polish else country,
        citizenships=country if is_polish or source.random() < 0.95 else f"{country}|DE",
        mail=_mail(given, surname, place, source),
        phone=f"+48000{place % 1_000_000:06d}",
        studies=tell(world, story, source),
    )


def birth_and_pesel(seed: int, place: int, *, is_woman: bool) -> tuple[date, str]:
    """Return a birth in 1900-1907 and a valid PESEL of it; no two places of one seed share a number."""
    number = ((place + seed * 7919) * STEP) % (BIRTH_DAYS * SERIALS)
    serial, days = divmod(number, BIRTH_DAYS)
    born_on = FIRST_BIRTH + timedelta(days=days)
    high, low = divmod(serial, 5)
    digits = f"{born_on:%y%m%d}{high:03d}{2 * low + (0 if is_woman else 1)}"
    return born_on, digits + calc_check_digit(digits)


# --- names ----------------------------------------------------------------------------------------------------------


def _polish_name(source: random.Random, is_woman: bool) -> tuple[str, str, str, str]:
    given = source.choice(POLISH_WOMEN if is_woman else POLISH_MEN)
    middle = source.choice(POLISH_WOMEN if is_woman else POLISH_MEN) if source.random() < 0.45 else ""
    form = 0 if is_woman else 1
    surname = source.choice(POLISH_SURNAMES)[form]
    if is_woman and source.random() < 0.06:
        surname += "-" + source.choice(POLISH_SURNAMES)[form]
    return given, middle, "", surname


_WEIGHTS = [nation.weight for nation in NATIONS]


def _foreign_name(source: random.Random, is_woman: bool) -> tuple[str, str, str, str, str]:
    nation = source.choices(NATIONS, _WEIGHTS)[0]
    given = source.choice(nation.women if is_woman else nation.men)
    return given, "", nation.prefix, source.choice(nation.surnames)[0 if is_woman else 1], nation.country


def _mail(given: str, surname: str, place: int, source: random.Random) -> str:
    if source.random() < 0.02:
        return ""  # some never gave one
    local = _ascii(given) or "student"
    return f"{local}.{_ascii(surname)}{place}@example.{'com' if place % 3 else 'org'}".replace("..", ".")


@lru_cache(maxsize=2048)
def _ascii(name: str) -> str:
    return "".join(letter for letter in to_ascii(name).lower() if letter.isalpha())


# --- studies --------------------------------------------------------------------------------------------------------

STORIES: Final = {
    "first_year": 22,
    "student": 34,
    "second_cycle": 8,
    "two_programmes": 4,
    "leave": 3,
    "suspended": 2,
    "struck_off": 5,
    "struck_off_lately": 1,
    "changed_programme": 2,
    "graduated_first_cycle": 4,
    "graduated_long": 5,
    "graduated_end_of_study": 1,
    "before_diploma": 3,
    "admitted": 3,
    "admitted_without_album": 1,
    "leave_ahead": 1,
    "struck_off_ahead": 1,
    "doctoral": 1,
    "postgraduate": 1,
}


def tell(world: World, story: str, source: random.Random) -> tuple[Studies, ...]:
    """Return the programmes of a story."""
    changed_at = _moment(world, source)
    years = source.randint(1, 3)
    begin = world.begin(years)
    first = _studies(source, "1", "active", begin, changed_at)
    match story:
        case "first_year":
            return (_studies(source, source.choice(("1", "1", "JM")), "active", world.begin(), changed_at),)
        case "second_cycle":
            done = replace(first, status="graduated_diploma", status_from=_before(world, source, 60, 250))
            return done, _next_cycle(done, world.begin(), changed_at)
        case "two_programmes":
            other = _studies(source, "1", "active", world.begin(), changed_at)
            while other.programme == first.programme:
                other = _studies(source, "1", "active", world.begin(), changed_at)
            return first, other
        case "leave" | "suspended":
            return (replace(first, status=story, status_from=_before(world, source, 1, 200)),)
        case "struck_off":
            return (replace(first, status="cancelled", status_from=_before(world, source, 30, 700)),)
        case "struck_off_lately":
            return (replace(first, status="cancelled", status_from=world.as_of - timedelta(days=3)),)
        case "changed_programme":
            day = _before(world, source, 5, 100)
            old = replace(first, status="cancelled", status_from=day)
            form = "N" if first.form == "S" else "S"
            new = replace(first, programme=first.programme.replace(f"-{first.form}", f"-{form}"), form=form)
            return old, replace(new, status_from=day, admitted_on=day)
        case "graduated_first_cycle":
            return (replace(first, status="graduated_diploma", status_from=_before(world, source, 10, 240)),)
        case "graduated_long":
            long = _studies(source, "JM", "graduated_diploma", world.begin(5), changed_at)
            return (replace(long, status_from=_before(world, source, 10, 700)),)
        case "graduated_end_of_study":
            one = _studies(source, "PD", "graduated_end_of_study", world.begin(1), changed_at)
            return (replace(one, status_from=_before(world, source, 10, 300)),)
        case "before_diploma":
            return (replace(first, status="graduated_before_diploma", status_from=_before(world, source, 5, 120)),)
        case "admitted" | "admitted_without_album":
            return (_studies(source, "1", "admitted", _before(world, source, 5, 60), changed_at),)
        case "leave_ahead":
            return (replace(first, status="leave", status_from=world.as_of + timedelta(days=45)),)
        case "struck_off_ahead":
            return (replace(first, status="cancelled", status_from=world.as_of + timedelta(days=20)),)
        case "doctoral":
            return (_studies(source, "3", "active", begin, changed_at),)
        case "postgraduate":
            return (_studies(source, "PD", "active", world.begin(), changed_at),)
        case _:
            return (first,)


def _studies(source: random.Random, level: str, status: str, begin: date, changed_at: datetime) -> Studies:
    unit, programmes = source.choice(FACULTIES)
    code, name = source.choice(programmes)
    if level == "1" and code in LONG_STUDIES:
        level = "JM"
    form = "S" if source.random() < 0.7 else "N"
    ends_on = begin.replace(year=begin.year + {"1": 4, "2": 2, "JM": 6, "3": 4, "PD": 1}[level], month=9, day=30)
    return Studies(f"{code}-{form}{level}", name, unit, level, form, status, begin, begin, ends_on, changed_at)


def _next_cycle(done: Studies, begin: date, changed_at: datetime) -> Studies:
    level = "2" if done.level == "1" else "3"
    ends_on = begin.replace(year=begin.year + 2, month=9, day=30)
    programme = done.programme.removesuffix(done.level) + level
    return Studies(programme, done.name, done.unit, level, done.form, "active", begin, begin, ends_on, changed_at)


def _before(world: World, source: random.Random, least: int, most: int) -> date:
    return world.as_of - timedelta(days=source.randint(least, most))


def _moment(world: World, source: random.Random) -> datetime:
    day = world.as_of - timedelta(days=source.randint(2, 60))
    at = datetime(day.year, day.month, day.day, 7, 0, tzinfo=ZONE)
    return at + timedelta(seconds=source.randrange(10 * 3600))
