"""Letters owed: written in the transaction of their cause, sent by the worker's sweep."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, select, update

from idp.db.bulk import insert_once
from idp.letters.tables import letter
from idp.people.tables import account, enrolment, person

OWED, SENT, GIVEN_UP = "owed", "sent", "given_up"


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter, its values still sealed."""

    letter_id: str
    once_key: str
    kind: str
    person_id: str
    to_address: str
    language: str
    sealed_data: str
    state: str
    tries: int
    due_at: float
    last_error: str
    owed_at: float
    sent_at: float | None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who is to be told the album number."""

    person_id: str
    album: str
    given_name: str
    private_mail: str
    language: str


def add_once(connection: Connection, new: Letter) -> bool:
    """Write a letter unless one with its `once_key` was ever owed; say whether it was written."""
    return insert_once(connection, letter, {column.name: getattr(new, column.name) for column in letter.c})


def take_due(connection: Connection, now: float, hold_until: float) -> Letter | None:
    """Return one letter that is due, with this try counted; None when nothing is due.

    Effect:  the letter is due again at `hold_until` unless it is settled before: a killed sender loses nothing,
             and a parallel sender does not get the same letter
    """
    due = (
        select(letter.c.letter_id)
        .where(letter.c.state == OWED, letter.c.due_at <= now)
        .order_by(letter.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = connection.execute(
        update(letter)
        .where(letter.c.letter_id == due)
        .values(tries=letter.c.tries + 1, due_at=hold_until)
        .returning(*letter.c)
    ).one_or_none()
    return None if row is None else Letter(*row)


def any_due(connection: Connection, now: float) -> bool:
    """Say whether there is anything to send."""
    due = select(letter.c.letter_id).where(letter.c.state == OWED, letter.c.due_at <= now).limit(1)
    return connection.execute(due).first() is not None


def settle_sent(connection: Connection, letter_id: str, at: float) -> None:
    """Write that a letter was sent; its values, which may hold a link, are forgotten."""
    connection.execute(
        update(letter)
        .where(letter.c.letter_id == letter_id)
        .values(state=SENT, sent_at=at, last_error="", sealed_data="")
    )


def settle_given_up(connection: Connection, letter_id: str, error: str) -> None:
    """Write that a letter is not tried any more, and what stopped it."""
    connection.execute(
        update(letter).where(letter.c.letter_id == letter_id).values(state=GIVEN_UP, last_error=error[:200])
    )


def owe_again(connection: Connection, letter_id: str, now: float) -> bool:
    """Owe a letter that was given up once more, as if never tried; False when there is no such letter."""
    changed = connection.execute(
        update(letter)
        .where(letter.c.letter_id == letter_id, letter.c.state == GIVEN_UP)
        .values(state=OWED, tries=0, due_at=now)
    )
    return changed.rowcount == 1


def put_off(connection: Connection, letter_id: str, due_at: float, error: str) -> None:
    """Write when a letter is to be tried again, and what stopped it."""
    connection.execute(
        update(letter).where(letter.c.letter_id == letter_id).values(due_at=due_at, last_error=error[:200])
    )


def put_off_all_due(connection: Connection, now: float, due_at: float, error: str) -> None:
    """Write that nothing is to be tried before `due_at`; no try is counted."""
    connection.execute(
        update(letter)
        .where(letter.c.state == OWED, letter.c.due_at <= now)
        .values(due_at=due_at, last_error=error[:200])
    )


def list_letters(connection: Connection, state: str | None, limit: int) -> Sequence[Letter]:
    """Return the newest letters, those of one state if asked."""
    wanted = select(*letter.c).order_by(letter.c.owed_at.desc(), letter.c.letter_id.desc()).limit(limit)
    if state is not None:
        wanted = wanted.where(letter.c.state == state)
    return [Letter(*row) for row in connection.execute(wanted)]


def count_letters(connection: Connection) -> dict[str, int]:
    """Return how many letters are in each state."""
    rows = connection.execute(select(letter.c.state, func.count()).group_by(letter.c.state))
    return {OWED: 0, SENT: 0, GIVEN_UP: 0} | {row[0]: row[1] for row in rows}


def newcomers_without_letter(
    connection: Connection,
    once_prefix: str,
    admitted_since: date,
    levels: Collection[str],
    statuses: Collection[str],
    after: str,
    limit: int,
) -> list[Newcomer]:
    """Return people with an album number and an enrolment address, new and unclaimed, who never were owed this letter.

    Shape:   once_prefix "album:" -> once_key "album:<person_id>"; sorted by person_id, those behind `after`
    """
    since = func.coalesce(enrolment.c.admitted_on, enrolment.c.status_from)
    is_new = (
        select(enrolment.c.person_id)
        .where(
            enrolment.c.person_id == person.c.person_id,
            enrolment.c.status.in_(statuses),
            enrolment.c.level.in_(levels),
            since >= admitted_since,
        )
        .exists()
    )
    has_letter = select(letter.c.letter_id).where(letter.c.once_key == once_prefix + person.c.person_id).exists()
    rows = connection.execute(
        select(person.c.person_id, person.c.album, person.c.given_name, person.c.private_mail, account.c.language)
        .join(account, account.c.account_id == person.c.person_id)
        .where(
            person.c.person_id > after,
            person.c.album.is_not(None),
            person.c.private_mail != "",
            account.c.claimed_at.is_(None),
            account.c.enabled,
            is_new,
            ~has_letter,
        )
        .order_by(person.c.person_id)
        .limit(limit)
    )
    return [Newcomer(*row) for row in rows]
