"""The dirty cases of a registry export, each with what must become of it (docs/domain.md, registry export)."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from idp.registry.reasons import Reason
from idp.registry.sample.people import FIRST_ALBUM, ZONE, Invented, Studies, World, birth_and_pesel, invent

ACCEPTED: Final = "accepted"
REFUSED_OS_ID: Final = 900_000_001
REFUSED_ALBUM: Final = 9_000_001_000
UNUSED_PLACE: Final = 10_000_000
MENDED: Final = "cyrillic_in_latin_name"
SHARE: Final = 8  # of so many people at most one is a refused case: a small sample must not be refused whole


class Case(NamedTuple):
    """A dirty row and its label."""

    name: str
    outcome: str  # "accepted", or "quarantined"
    reason: str
    row: list[str] | str  # fields, or the text of a row that has not the form of one


Spoil = Callable[[Invented], Invented]


def _first(person: Invented, **changes: object) -> Invented:
    """Change the person's first programme."""
    return replace(person, studies=(replace(person.studies[0], **changes), *person.studies[1:]))  # type: ignore[arg-type]  # names are checked by replace itself


# Rows that are put right, or are right although they look odd. They are people of the sample like any other.
TOLERATED: Final[tuple[tuple[str, Spoil], ...]] = (
    ("nfd_letters", lambda one: replace(one, given_name=_nfd("Małgorzata Żaneta"), surname=_nfd("Wójcik"))),
    ("nbsp_and_zero_width", lambda one: replace(one, given_name="Anna\u00a0Maria\u200b", surname="\ufeff Nowak ")),
    ("name_in_capitals", lambda one: replace(one, given_name="ŁUCJA", surname="ŹDŹBŁO-O’CONNOR")),
    ("spaced_hyphen", lambda one: replace(one, surname="Kowalska - Nowak")),
    ("surname_only", lambda one: replace(one, given_name="", middle_name="", surname="Suharto")),
    ("given_name_only", lambda one: replace(one, given_name="Madonna", surname="", prefix="")),
    ("o_slash_and_eth", lambda one: replace(one, given_name="Guðrún", surname="Ødegård")),
    ("long_surname", lambda one: replace(one, surname="Brzęczyszczykiewicz-Wojciechowska-Niedźwiedź")),
    ("quoted_separator", lambda one: _first(one, name="Zarządzanie; inżynieria produkcji")),
    ("quoted_newline", lambda one: _first(one, name='Zarządzanie i\n"inżynieria" produkcji')),
    ("album_with_leading_zeros", lambda one: replace(one, album=one.album.zfill(8))),
    ("mail_unusable", lambda one: replace(one, mail="jan kowalski at example.com")),
    ("pesel_shared_first", lambda one: one),
    ("pesel_shared_second", lambda one: one),
)
FIRST_TOLERATED: Final = 20
"""Place of the first tolerated case: the stories come before, one of each."""

ZERO_TWIN_OF: Final = "album_with_leading_zeros"


def is_tolerated(place: int, people: int) -> bool:
    """Say whether a tolerated case belongs at `place`."""
    return FIRST_TOLERATED <= place < min(people, FIRST_TOLERATED + len(TOLERATED))


def tolerated(place: int, people: int, person: Invented, earlier: Invented | None) -> tuple[str, Invented] | None:
    """Return the label of the tolerated case at `place`, and the person with it; None for most people.

    Shape:   earlier: the person of the case before, whose PESEL the last case shares
    """
    if not is_tolerated(place, people):
        return None
    name, spoil = TOLERATED[place - FIRST_TOLERATED]
    if name == "pesel_shared_second" and earlier is not None:
        return name, replace(person, pesel=earlier.pesel, born_on=earlier.born_on, sex=earlier.sex)
    return name, spoil(person)


def refused(world: World, people: int) -> Iterator[Case]:
    """Yield rows that must go to the quarantine, at most one for eight people, the plainest first."""
    source = random.Random(f"cases {world.seed}")  # noqa: S311 - no secret, a repeatable sample
    left = people // SHARE
    for number, make in enumerate(_REFUSED):
        person = invent(world, UNUSED_PLACE + number, source, "student")
        person = replace(
            person,
            os_id=str(REFUSED_OS_ID + number),
            album=str(REFUSED_ALBUM + number),
            given_name="Jan",
            surname="Przykład",
            prefix="",
            citizenships="PL",
            sex="M",
        )
        born_on, pesel = birth_and_pesel(world.seed, UNUSED_PLACE + number, is_woman=False)
        person = replace(person, born_on=born_on.isoformat(), pesel=pesel)
        cases = make(person, world)
        left -= len(cases)
        if left < 0:
            return
        yield from cases


def _bad(name: str, reason: Reason, *rows: list[str] | str) -> list[Case]:
    return [Case(name, "quarantined", reason.value, row) for row in rows]


def _spoiled(name: str, reason: Reason, **changes: str) -> Callable[[Invented, World], list[Case]]:
    return lambda person, _world: _bad(name, reason, *replace(person, **changes).rows())  # type: ignore[arg-type]  # as in _first


def _spoiled_studies(label: str, reason: Reason, **changes: object) -> Callable[[Invented, World], list[Case]]:
    return lambda person, _world: _bad(label, reason, *_first(person, **changes).rows())


def _nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _lost_zero(person: Invented, _world: World) -> list[Case]:
    return _bad("pesel_lost_zero", Reason.PESEL_LOST_ZERO, *replace(person, pesel=person.pesel.lstrip("0")).rows())


def _scientific(person: Invented, _world: World) -> list[Case]:
    spoiled = replace(person, pesel=f"{int(person.pesel):.5E}".replace(".", ","))
    return _bad("pesel_scientific", Reason.PESEL_SCIENTIFIC, *spoiled.rows())


def _wrong_check_digit(person: Invented, _world: World) -> list[Case]:
    wrong = person.pesel[:10] + str((int(person.pesel[10]) + 1) % 10)
    return _bad("pesel_check_digit", Reason.PESEL_CHECK_DIGIT, *replace(person, pesel=wrong).rows())


def _of_another(person: Invented, _world: World) -> list[Case]:
    return _bad("pesel_of_another_person", Reason.PESEL_NOT_BIRTH_DATE, *replace(person, born_on="1999-12-31").rows())


def _two_with_one_album(person: Invented, _world: World) -> list[Case]:
    other = replace(person, os_id=str(int(person.os_id) + 500), given_name="Adam")
    return _bad("two_people_one_album", Reason.ALBUM_OF_TWO, *person.rows(), *other.rows())


def _zero_twin(person: Invented, _world: World) -> list[Case]:
    place = next(number for number, (name, _) in enumerate(TOLERATED) if name == ZERO_TWIN_OF) + FIRST_TOLERATED
    return _bad(
        "album_differs_by_zeros", Reason.ALBUM_ZERO_TWIN, *replace(person, album=str(FIRST_ALBUM + place)).rows()
    )


def _one_with_two_albums(person: Invented, _world: World) -> list[Case]:
    other = replace(person, album=str(int(person.album) + 500), studies=(_other_programme(person),))
    return _bad("one_person_two_albums", Reason.ALBUM_TWO_FOR_ONE, *person.rows(), *other.rows())


def _disagreeing(person: Invented, _world: World) -> list[Case]:
    other = replace(person, surname="Inny", studies=(_other_programme(person),))
    return _bad("rows_disagree", Reason.ROWS_DISAGREE, *person.rows(), *other.rows())


def _repeated(person: Invented, _world: World) -> list[Case]:
    other = _first(person, status="leave")
    return _bad("programme_repeated", Reason.PROGRAMME_REPEATED, *person.rows(), *other.rows())


def _other_programme(person: Invented) -> Studies:
    return replace(person.studies[0], programme="LOG-N2", name="Logistyka", level="2", form="N")


def _ahead(person: Invented, world: World) -> list[Case]:
    at = datetime(world.as_of.year + 50, 1, 1, tzinfo=ZONE)
    return _bad("changed_in_future", Reason.CHANGED_IN_FUTURE, *_first(person, changed_at=at).rows())


def _without_offset(person: Invented, _world: World) -> list[Case]:
    at = person.studies[0].changed_at.replace(tzinfo=None)
    return _bad("changed_without_offset", Reason.CHANGED_FORM, *_first(person, changed_at=at).rows())


def _impossible_day(person: Invented, _world: World) -> list[Case]:
    return _bad("impossible_day", Reason.DATE_FORM, *replace(person, born_on="1905-02-30").rows())


def _cut_row(person: Invented, _world: World) -> list[Case]:
    return _bad("row_cut_in_the_middle", Reason.COLUMNS, ";".join(next(person.rows())[:9]))


def _stray_mark(person: Invented, _world: World) -> list[Case]:
    row = next(person.rows())
    row[5] = '"' + row[5]
    return _bad("stray_quotation_mark", Reason.QUOTING, ";".join(row))


_REFUSED: Final = (
    _spoiled("cyrillic_in_latin_name", Reason.NAME_MIXED_SCRIPTS, given_name="\u0410nna"),
    _lost_zero,
    _scientific,
    _spoiled("pesel_zeros", Reason.PESEL_ZEROS, pesel="00000000000"),
    _of_another,
    _two_with_one_album,
    _zero_twin,
    _spoiled("formula_in_name", Reason.NAME_FORMULA, surname="=cmd|'/c calc'!A1"),
    _spoiled("birth_in_future", Reason.BIRTH_IN_FUTURE, born_on="2150-01-01", pesel="", citizenships="UA"),
    _one_with_two_albums,
    _spoiled("pesel_missing", Reason.PESEL_MISSING, pesel=""),
    _wrong_check_digit,
    _spoiled("pesel_of_other_sex", Reason.PESEL_NOT_SEX, sex="K"),
    _spoiled("letters_lost_to_question_marks", Reason.NAME_QUESTION_MARK, surname="Przyk?ad"),
    _spoiled("mojibake", Reason.NAME_MOJIBAKE, surname="PrzykĹ‚ad"),
    _spoiled("name_with_digits", Reason.NAME_CHARACTERS, surname="Przykład2"),
    _spoiled("no_name", Reason.NAME_MISSING, given_name="", surname="\u200b"),
    _spoiled("neither_pesel_nor_document", Reason.IDENTITY_MISSING, pesel="", citizenships="UA", document=""),
    _spoiled("album_with_a_letter", Reason.ALBUM_FORM, album="12A45"),
    _spoiled("album_missing", Reason.ALBUM_MISSING, album=""),
    _spoiled_studies("unknown_status", Reason.STATUS_UNKNOWN, status="skreslony"),
    _impossible_day,
    _ahead,
    _without_offset,
    _cut_row,
    _stray_mark,
    _repeated,
    _disagreeing,
    _spoiled_studies("formula_in_programme", Reason.TEXT_FORMULA, name="=1+1"),
)
