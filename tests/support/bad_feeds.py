"""A grammar of bad feeds: what goes wrong with real exports, done to a good one, each with the words that stop it."""

import csv
import io
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from idp.registry.reasons import Refusal
from idp.registry.rows import AT, COLUMNS

FRESH = "2026-10-01T11:59:00+02:00"  # newer than every row of the good file, and just before the tests' noon
Rows = list[list[str]]
ANY_LIMIT = frozenset(
    {Refusal.TOO_MANY_BAD_ROWS, Refusal.TOO_MANY_CHANGES, Refusal.TOO_MANY_STATUS_CHANGES, Refusal.COLUMN_EMPTIED}
)
LOSSES = frozenset({Refusal.TOO_MANY_STUDENT_LOSSES})


@dataclass(frozen=True)
class BadFeed:
    """One bad file, how it came to be, and why it may be refused."""

    how: str
    content: bytes
    reasons: frozenset[Refusal]

    def __repr__(self) -> str:
        return f"BadFeed({self.how!r}, {len(self.content)} bytes)"


Made = Callable[[Rows], st.SearchStrategy[BadFeed]]


def as_bytes(rows: Iterable[list[str]], *, header: list[str] | None = None, separator: str = ";") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(COLUMNS if header is None else header)
    writer.writerows(rows)
    return out.getvalue().encode()


def touched(row: list[str], **changes: str) -> list[str]:
    """Return a row with other values that the registry says are new."""
    new = list(row)
    for name, value in {**changes, "zmieniono": FRESH}.items():
        new[AT[name]] = value
    return new


# --- the file ---------------------------------------------------------------------------------------------------------


def empty(good: Rows) -> st.SearchStrategy[BadFeed]:
    shapes = [b"", b"\n", as_bytes([]), as_bytes([]).rstrip(b"\n"), as_bytes([]) + b"\n\n"]
    return st.sampled_from(shapes).map(
        lambda content: BadFeed("empty", content, frozenset({Refusal.NO_ROWS, Refusal.WRONG_HEADER}))
    )


def truncated(good: Rows) -> st.SearchStrategy[BadFeed]:
    whole = as_bytes(good)
    reasons = frozenset({Refusal.TRUNCATED, Refusal.FEWER_PEOPLE, Refusal.NO_ROWS, Refusal.WRONG_HEADER})
    return st.integers(1, int(len(whole) * 0.9)).map(
        lambda cut: BadFeed(f"cut off after {cut} bytes", whole[:cut], reasons)
    )


def incomplete(good: Rows) -> st.SearchStrategy[BadFeed]:
    def keep(share: float, seed: int) -> BadFeed:
        people = sorted({row[0] for row in good})
        kept = set(random.Random(seed).sample(people, int(share * len(people))))  # noqa: S311 - no secret
        rows = [row for row in good if row[0] in kept]
        return BadFeed(f"{1 - share:.0%} missing", as_bytes(rows), frozenset({Refusal.FEWER_PEOPLE}))

    return st.builds(keep, st.sampled_from([0.05, 0.3, 0.5, 0.7, 0.9]), st.integers(0, 99))


def other_encoding(good: Rows) -> st.SearchStrategy[BadFeed]:
    def encode(encoding: str) -> BadFeed:
        content = as_bytes(good).decode().encode(encoding, errors="replace")
        reasons = {Refusal.NOT_UTF8, Refusal.NUL_BYTES, Refusal.TOO_MANY_BAD_ROWS}
        return BadFeed(f"in {encoding}", content, frozenset(reasons))

    return st.sampled_from(["cp1250", "iso-8859-2", "utf-16", "utf-16-le", "utf-32"]).map(encode)


def lost_letters(good: Rows) -> st.SearchStrategy[BadFeed]:
    def lose(how: str) -> BadFeed:
        rows = [touched(row, **{name: spoil(row[AT[name]], how) for name in ("imie", "nazwisko")}) for row in good]
        return BadFeed(f"letters lost: {how}", as_bytes(rows), ANY_LIMIT)

    return st.sampled_from(["question marks", "mojibake"]).map(lose)


def spoil(text: str, how: str) -> str:
    if how == "question marks":
        return text.encode("ascii", errors="replace").decode() if not text.isascii() else f"{text[:-1]}?"
    return (text if not text.isascii() else f"{text}ł").encode().decode("cp1250", errors="replace")


def other_header(good: Rows) -> st.SearchStrategy[BadFeed]:
    def change(order: list[str], separator: str, renamed: bool) -> BadFeed:
        header = [*order[:-1], "zmieniono_dnia"] if renamed else order
        rows = [[row[AT[name]] for name in order] for row in good]
        return BadFeed("another header", as_bytes(rows, header=header, separator=separator), WRONG)

    orders = st.permutations(COLUMNS).filter(lambda order: list(order) != list(COLUMNS))
    return st.one_of(
        orders.map(lambda order: change(list(order), ";", False)),
        st.sampled_from([",", "\t", "|"]).map(lambda separator: change(list(COLUMNS), separator, False)),
        st.just(change(list(COLUMNS), ";", True)),
    )


WRONG = frozenset({Refusal.WRONG_HEADER})


def stale(good: Rows) -> st.SearchStrategy[BadFeed]:
    def age(months: int) -> BadFeed:
        rows = [[*row[:-1], f"2026-0{9 - months}-01T10:00:00+02:00"] for row in good]
        return BadFeed(f"{months} months old", as_bytes(rows), frozenset({Refusal.TOO_OLD}))

    return st.integers(2, 8).map(age)


# --- the columns ------------------------------------------------------------------------------------------------------


def shifted(good: Rows) -> st.SearchStrategy[BadFeed]:
    def shift(column: int, right: bool) -> BadFeed:
        rows = [
            [*row[:column], "", *row[column:-2], FRESH] if right else [*row[:column], *row[column + 1 : -1], "", FRESH]
            for row in good
        ]
        return BadFeed(f"columns shifted from {COLUMNS[column]} on", as_bytes(rows), ANY_LIMIT | {Refusal.FEWER_PEOPLE})

    return st.builds(shift, st.integers(1, AT["poziom"]), st.booleans())


SWAPS = [
    ("imie", "nazwisko"),
    ("email_prywatny", "telefon"),
    ("prog_kod", "jednostka"),
    ("data_ur", "status_od"),
    ("pesel", "nr_albumu"),
    ("status", "forma"),
    ("nazwisko", "jednostka"),
    ("nr_albumu", "telefon"),
]


def swapped(good: Rows) -> st.SearchStrategy[BadFeed]:
    def swap(pair: tuple[str, str]) -> BadFeed:
        one, other = pair
        rows = [touched(row, **{one: row[AT[other]], other: row[AT[one]]}) for row in good]
        return BadFeed(f"{one} and {other} swapped", as_bytes(rows), ANY_LIMIT)

    return st.sampled_from(SWAPS).map(swap)


def sorted_apart(good: Rows) -> st.SearchStrategy[BadFeed]:
    def turn(columns: tuple[str, ...], by: int) -> BadFeed:
        by_person = {row[0]: row for row in good}
        people = list(by_person)
        other = {person: by_person[people[(n + by) % len(people)]] for n, person in enumerate(people)}
        rows = [touched(row, **{name: other[row[0]][AT[name]] for name in columns}) for row in good]
        return BadFeed(f"{' and '.join(columns)} of the person {by} further", as_bytes(rows), ANY_LIMIT)

    columns = st.sampled_from([("nr_albumu",), ("nazwisko",), ("imie", "nazwisko"), ("pesel",), ("data_ur",)])
    return st.builds(turn, columns, st.integers(1, 20))


def emptied(good: Rows) -> st.SearchStrategy[BadFeed]:
    def blank(column: str) -> BadFeed:
        rows = [touched(row, **{column: ""}) for row in good]
        return BadFeed(f"{column} empty", as_bytes(rows), ANY_LIMIT | {Refusal.FEWER_PEOPLE})

    return st.sampled_from(["nr_albumu", "nazwisko", "pesel", "email_prywatny", "status", "prog_kod", "jednostka"]).map(
        blank
    )


def through_a_spreadsheet(good: Rows) -> st.SearchStrategy[BadFeed]:
    def lose(how: str) -> BadFeed:
        def cell(pesel: str) -> str:
            if not pesel:
                return pesel
            return f"{int(pesel):.5E}" if how == "as a float" else pesel.lstrip("0") or "0"

        rows = [touched(row, pesel=cell(row[AT["pesel"]])) for row in good]
        return BadFeed(f"pesel {how}", as_bytes(rows), ANY_LIMIT)

    return st.sampled_from(["as a float", "without leading zeros"]).map(lose)


# --- the statuses -----------------------------------------------------------------------------------------------------


def all_of_one_status(good: Rows) -> st.SearchStrategy[BadFeed]:
    def set_status(status: str, share: float) -> BadFeed:
        last = int(share * len(good))
        rows = [
            touched(row, status=status, status_od="2025-01-01", data_zakonczenia="2025-01-01") if n < last else row
            for n, row in enumerate(good)
        ]
        reasons = LOSSES | {Refusal.TOO_MANY_STATUS_CHANGES, Refusal.TOO_MANY_BAD_ROWS, Refusal.COLUMN_EMPTIED}
        return BadFeed(f"{share:.0%} {status}", as_bytes(rows), reasons)

    ended = st.sampled_from(["suspended", "cancelled", "graduated_diploma", "graduated_end_of_study"])
    unknown = st.sampled_from(["Suspended", "zawieszony", ""])
    return st.builds(set_status, ended | unknown, st.sampled_from([0.6, 0.9, 1.0]))


def many_lose_student_rights(good: Rows) -> st.SearchStrategy[BadFeed]:
    """Too few for the limits on statuses and on access, and most of them keep access for a time."""

    def end(status: str, since: str, share: float, seed: int) -> BadFeed:
        students = sorted({row[0] for row in good if row[AT["status"]] in ("active", "leave")})
        chosen = set(random.Random(seed).sample(students, int(share * len(students))))  # noqa: S311 - no secret
        rows = [touched(row, status=status, status_od=since, poziom="2") if row[0] in chosen else row for row in good]
        return BadFeed(f"{share:.0%} {status} since {since}", as_bytes(rows), LOSSES)

    ended = st.sampled_from(["cancelled", "graduated_diploma", "graduated_end_of_study", "suspended", "admitted"])
    since = st.sampled_from(["2026-09-30", "2026-10-01", "2026-10-02", "2026-12-01"])
    return st.builds(end, ended, since, st.sampled_from([0.25, 0.3, 0.4]), st.integers(0, 99))


GRAMMAR: list[Made] = [
    empty,
    truncated,
    incomplete,
    other_encoding,
    lost_letters,
    other_header,
    stale,
    shifted,
    swapped,
    sorted_apart,
    emptied,
    through_a_spreadsheet,
    all_of_one_status,
    many_lose_student_rights,
]


def rows_of(text: str) -> Rows:
    """Return the rows of an export without its header."""
    reader: Any = csv.reader(io.StringIO(text), delimiter=";")
    return list(reader)[1:]
