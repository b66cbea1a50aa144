"""Find the recipients of letters."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, select

from idp.db.outbox import outbox
from idp.people.tables import account, enrolment, person


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person who has not got the album letter yet."""

    person_id: str
    album: str
    given_name: str
    private_mail: str
    language: str


def recipients_without_letter(
    connection: Connection,
    once_prefix: str,
    admitted_since: date,
    levels: Collection[str],
    statuses: Collection[str],
    after: str,
    limit: int,
) -> list[Recipient]:
    """Return new students with an album number, an enrolment address and no claim, who never got this letter.

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
    has_letter = select(outbox.c.message_id).where(outbox.c.once_key == once_prefix + person.c.person_id).exists()
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
    return [Recipient(*row) for row in rows]
