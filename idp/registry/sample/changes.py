"""What the registry changed by the next day: the second day of a sample."""

import random
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Final

from idp.registry.reasons import Reason
from idp.registry.sample.cases import ACCEPTED
from idp.registry.sample.names import POLISH_SURNAMES
from idp.registry.sample.people import ZONE, Invented, World

SHARE: Final = 200  # of so many people about one changes: half a percent
KINDS: Final = (
    "surname_changed",
    "suspended",
    "returned",
    "given_name_corrected",
    "struck_off",
    "pesel_appeared",
    "went_on_leave",
    "mail_changed",
    "second_programme",
    "stale_row",
    "album_changed",
    "strike_off_reversed",
)
STORY_FOR: Final = {
    "returned": "suspended",
    "strike_off_reversed": "struck_off",
    "surname_changed": "student",
    "suspended": "student",
    "struck_off": "student",
    "went_on_leave": "student",
    "second_programme": "student",
}
"""Which story a person must have had on the first day; places of changes get it, so that every sample has all."""


def stride(people: int) -> int:
    """Return how far changing people stand apart: each kind comes at least once if there are people enough."""
    return max(1, min(SHARE, (people - 40) // len(KINDS)))


def kind_at(place: int, people: int) -> str | None:
    """Return what happens to the person at `place` on the second day; nothing to most."""
    # The first forty places tell every story and show every tolerated case.
    number, rest = divmod(place - 40, stride(people))
    if place < 40 or rest or (stride(people) < SHARE and number >= len(KINDS)):
        return None
    return KINDS[number % len(KINDS)]


def change(world: World, kind: str, person: Invented, source: random.Random) -> tuple[Invented, str, str]:
    """Return the person on the second day, and the outcome and reason that the label says."""
    tomorrow = world.as_of + timedelta(days=1)
    at = datetime.combine(tomorrow, time(0, 5), ZONE) + timedelta(seconds=source.randrange(3600))
    match kind:
        case "surname_changed":
            new = source.choice([pair for pair in POLISH_SURNAMES if person.surname not in pair])
            new_surname = new[0 if person.sex == "K" else 1]
            return _stamped(replace(person, surname=new_surname, previous_surname=person.surname), at), ACCEPTED, ""
        case "suspended" | "struck_off":
            status = {"suspended": "suspended", "struck_off": "cancelled"}[kind]
            return _first(person, status, tomorrow, at), ACCEPTED, ""
        case "returned" | "strike_off_reversed":
            since = tomorrow if kind == "returned" else person.studies[0].admitted_on
            return _first(person, "active", since, at), ACCEPTED, ""
        case "went_on_leave":
            return _first(person, "leave", tomorrow, at), ACCEPTED, ""
        case "given_name_corrected":
            return (
                _stamped(replace(person, given_name="Bogumiła" if person.sex == "K" else "Bogumił"), at),
                ACCEPTED,
                "",
            )
        case "pesel_appeared":
            return _stamped(person, at), ACCEPTED, ""
        case "mail_changed":
            return _stamped(replace(person, mail=f"new.{person.os_id}@example.com"), at), ACCEPTED, ""
        case "second_programme":
            other = replace(
                person.studies[0],
                programme="TIR-N1",
                name="Turystyka i rekreacja",
                unit="WWFIF",
                form="N",
                status_from=tomorrow,
                admitted_on=tomorrow,
                changed_at=at,
            )
            return replace(person, studies=(*person.studies, other)), ACCEPTED, ""
        case "stale_row":
            before = person.studies[0].changed_at - timedelta(days=300)
            return _first(person, "suspended", before.date(), before), "stale", ""
        case _:
            return (
                _stamped(replace(person, album=f"8{int(person.album):09d}"), at),
                "quarantined",
                Reason.ALBUM_CHANGED.value,
            )


def _stamped(person: Invented, at: datetime) -> Invented:
    return replace(person, studies=tuple(replace(one, changed_at=at) for one in person.studies))


def _first(person: Invented, status: str, since: date, at: datetime) -> Invented:
    first = replace(person.studies[0], status=status, status_from=since, changed_at=at)
    return replace(person, studies=(first, *person.studies[1:]))
