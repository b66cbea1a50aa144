"""Write an invented export, person by person, whatever its size."""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import IO, Final, NamedTuple

from idp.registry.rows import COLUMNS
from idp.registry.sample import cases, changes
from idp.registry.sample.people import STORIES, Invented, World, birth_and_pesel, invent

DAY: Final = date(2026, 10, 1)
"""The day of a sample unless another is asked for. Fixed: the same call gives the same bytes next year, too."""

_SHUFFLED: Final = 2_000  # rows that wait to be drawn in any order: programmes of one person stand far apart
_FORCED: Final = tuple(STORIES)


class Label(NamedTuple):
    """What a line of the export is, and what must become of it."""

    os_id: str
    line: int
    case: str
    outcome: str  # accepted, quarantined, stale
    reason: str


class _Waiting(NamedTuple):
    row: list[str] | str
    label: tuple[str, str, str, str] | None  # os_id, case, outcome, reason


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. The same order gives the same bytes."""

    people: int
    seed: int
    as_of: date = DAY
    dirty: bool = True
    day: int = 1
    only_changes: bool = False


def write_sample(order: Order, out: IO[str]) -> list[Label]:
    """Write an export of `order.people` people who will be taken, and of dirty rows that will not.

    Shape:   day 2 is the next day's export of the same people, some of them changed; only_changes: a delta of those
    """
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(COLUMNS)
    labels = []
    line = 2
    for waiting in _shuffled(order):
        if waiting.label is not None:
            os_id, case, outcome, reason = waiting.label
            labels.append(Label(os_id, line, case, outcome, reason))
        if isinstance(waiting.row, str):
            out.write(waiting.row + "\n")
        else:
            writer.writerow(waiting.row)
            line += sum(field.count("\n") for field in waiting.row)
        line += 1
    return labels


def _shuffled(order: Order) -> Iterator[_Waiting]:
    """Yield the rows in another order, holding few of them: the order of rows must mean nothing."""
    source = random.Random(f"order {order.seed}")  # noqa: S311 - no secret, a repeatable sample
    waiting: list[_Waiting] = []
    for one in _rows(order):
        waiting.append(one)
        if len(waiting) > _SHUFFLED:
            yield _draw(waiting, source)
    while waiting:
        yield _draw(waiting, source)


def _draw(waiting: list[_Waiting], source: random.Random) -> _Waiting:
    place = source.randrange(len(waiting))
    waiting[place], waiting[-1] = waiting[-1], waiting[place]
    return waiting.pop()


def _rows(order: Order) -> Iterator[_Waiting]:
    world = World(order.seed, order.as_of)
    if order.dirty and not order.only_changes:
        for case in cases.refused(world, order.people):
            yield _next_day(case) if order.day > 1 else _labelled(case)
    for person, label in _people(order, world):
        if label is None and order.only_changes:
            continue
        for row in person.rows():
            yield _Waiting(row, (person.os_id, *label) if label else None)


def _labelled(case: cases.Case) -> _Waiting:
    os_id = case.row.split(";", 1)[0] if isinstance(case.row, str) else case.row[0]
    return _Waiting(case.row, (os_id, case.name, case.outcome, case.reason))


def _next_day(case: cases.Case) -> _Waiting:
    """By the second day the registry has mended one of the rows."""
    if case.name != cases.MENDED or isinstance(case.row, str):
        return _labelled(case)
    row = [*case.row]
    row[COLUMNS.index("imie")] = "Anna"
    return _labelled(cases.Case("mended", cases.ACCEPTED, "", row))


def _people(order: Order, world: World) -> Iterator[tuple[Invented, tuple[str, str, str] | None]]:
    """Yield each person with a label: case, outcome, reason."""
    source = random.Random(f"people {order.seed}")  # noqa: S311 - no secret, a repeatable sample
    next_day = random.Random(f"day {order.seed} {order.day}")  # noqa: S311 - likewise
    weights = list(STORIES.values())
    earlier: Invented | None = None
    for place in range(order.people):
        kind = changes.kind_at(place, order.people)
        story = source.choices(_FORCED, weights)[0]
        if place < len(_FORCED):
            story = _FORCED[place]
        elif kind is not None:
            story = changes.STORY_FOR.get(kind, "student")
        is_case = kind is not None or cases.is_tolerated(place, order.people)
        person = invent(world, place, source, story, polish=is_case)
        if story == "admitted_without_album":
            person = replace(person, album="")
        if kind == "pesel_appeared":
            person = _foreigner(world, place, person, with_pesel=order.day > 1)
        label = None
        if order.day > 1 and kind is not None:
            person, outcome, reason = changes.change(world, kind, person, next_day)
            label = (kind, outcome, reason)
        elif order.dirty and (case := cases.tolerated(place, order.people, person, earlier)):
            name, person = case
            earlier = person
            label = (name, cases.ACCEPTED, "") if order.day == 1 else None
        yield person, label


def _foreigner(world: World, place: int, person: Invented, *, with_pesel: bool) -> Invented:
    """A PESEL appears later for a foreigner: the first day has only the document."""
    _, pesel = birth_and_pesel(world.seed, place, is_woman=person.sex == "K")
    return replace(
        person,
        citizenships="UA",
        document_kind="paszport",
        document=f"UA{int(person.os_id):07d}",
        document_country="UA",
        pesel=pesel if with_pesel else "",
    )
