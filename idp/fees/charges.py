"""Record charges: all of a list, or none of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import itemgetter

from sqlalchemy import Connection

from idp.clock import Clock
from idp.errors import Conflict, IdpError, InvalidInput, NotFound
from idp.fees.database import Database
from idp.fees.journal import CHARGE_RECORDED, Event, record
from idp.fees.ledger import add_charges, charges_by_reference
from idp.fees.lists import MAX_REFERENCE, Recorded, refuse_list
from idp.fees.money import Money
from idp.fees.settings import AccountKind
from idp.fees.student_records import album_number
from idp.fees.student_tables import ids_by_album
from idp.fees.texts import clean
from idp.fees.values import Charge

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class NewCharge:
    """A charge as it is ordered. `reference` names it for good: the same one again is the same charge."""

    album: str
    title: str
    minor: int
    due_on: date
    reference: str
    kind: str
    title_en: str = ""


def record_charges(
    database: Database, kinds: Mapping[str, AccountKind], clock: Clock, wanted: Sequence[NewCharge], actor: str
) -> Recorded:
    """Return how many charges were added and how many were there already.

    Raises:  the mistake itself for a list of one; InvalidInput with all mistakes for a longer one, and nothing is added
    Effect:  rows and their events in one transaction; a repeat adds nothing
    """
    with database.write_alone() as connection:
        fresh, mistakes = _sift(connection, kinds, wanted)
        refuse_list(mistakes, len(wanted))
        add_charges(connection, [charge for charge, _ in fresh], clock.now())
        record(connection, clock.now(), *(_event(charge, album, actor) for charge, album in fresh))
    return Recorded(added=len(fresh), known=len(wanted) - len(fresh))


def _sift(
    connection: Connection, kinds: Mapping[str, AccountKind], wanted: Sequence[NewCharge]
) -> tuple[list[tuple[Charge, str]], list[tuple[int, IdpError]]]:
    """Return the charges to add, each with its album, and what is wrong at which place of the list."""
    students = ids_by_album(connection)
    charges: dict[int, Charge] = {}
    mistakes: list[tuple[int, IdpError]] = []
    for place, new in enumerate(wanted):
        try:
            charges[place] = _charge(new, kinds, students)
        except IdpError as mistake:
            mistakes.append((place, mistake))
    # By the reference as it is stored: a list may spell it with other blanks.
    known = charges_by_reference(connection, (charge.reference for charge in charges.values()))
    fresh: list[tuple[Charge, str]] = []
    for place, charge in charges.items():
        if (before := known.get(charge.reference)) is None:
            known[charge.reference] = charge
            fresh.append((charge, wanted[place].album))
        elif replace(before, charge_id=0) != charge:
            mistakes.append((place, Conflict(f"The reference {charge.reference!r} is a different charge already.")))
    return fresh, sorted(mistakes, key=itemgetter(0))


def _charge(new: NewCharge, kinds: Mapping[str, AccountKind], students: Mapping[str, int]) -> Charge:
    if new.kind not in kinds:
        raise NotFound(f"No kind of account is called {new.kind!r}; there are: {', '.join(kinds)}.")
    student_id = students.get(album_number(new.album))
    if student_id is None:
        raise NotFound(f"No student has the album number {new.album[:20]!r}.")
    title, title_en, reference = clean(new.title), clean(new.title_en), clean(new.reference)
    if not 0 < len(title) <= MAX_TITLE or len(title_en) > MAX_TITLE:
        raise InvalidInput(f"A title has 1 to {MAX_TITLE} characters.")
    if not 0 < len(reference) <= MAX_REFERENCE:
        raise InvalidInput("A reference has 1 to 64 characters.")
    amount = Money(new.minor, kinds[new.kind].currency)
    return Charge(0, student_id, new.kind, title, title_en, amount, new.due_on, reference)


def _event(charge: Charge, album: str, actor: str) -> Event:
    data = {
        "reference": charge.reference,
        "title": charge.title,
        "amount": str(charge.amount),
        "due_on": charge.due_on.isoformat(),
    }
    return Event(CHARGE_RECORDED, actor, album, data)
