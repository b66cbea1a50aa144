"""What a claim is matched against, and the one moment at which an account becomes somebody's."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, select, update

from idp.people.merge_queries import kept_for
from idp.people.tables import account, person


@dataclass(frozen=True, slots=True)
class Claimable:
    """A person as a claim needs them; national ids only as keyed hashes of their ends."""

    person_id: str
    uid: str
    album: str
    given_name: str
    middle_name: str
    surname_prefix: str
    surname: str
    previous_surname: str
    born_on: date | None
    pesel_end_mac: str | None
    document_end_mac: str | None
    enabled: bool
    claimed_at: datetime | None


def claimable_by_album(connection: Connection, album_number: str) -> Claimable | None:
    """Return who has this album number (without leading zeros).

    A merged record is matched by its own details; what is claimed is the account of the person it is merged into.
    """
    record = _claimable(connection, person.c.album_number == album_number)
    kept_ids = kept_for(connection, [record.person_id]) if record else []
    kept = claimable_by_id(connection, kept_ids[0]) if kept_ids else None
    if record is None or kept is None:
        return record
    return replace(record, person_id=kept.person_id, uid=kept.uid, enabled=kept.enabled, claimed_at=kept.claimed_at)


def claimable_by_id(connection: Connection, person_id: str) -> Claimable | None:
    """Return a person by our own key."""
    return _claimable(connection, person.c.person_id == person_id)


def mark_claimed(connection: Connection, account_id: str, language: str, at: datetime) -> bool:
    """Write that an account was claimed, and in which language its owner is written to.

    Effect:  False, and nothing written, when it was claimed before or is closed: of parallel claims one gets True
    """
    marked = connection.execute(
        update(account)
        .where(account.c.account_id == account_id, account.c.claimed_at.is_(None), account.c.enabled)
        .values(claimed_at=at, language=language)
    )
    return marked.rowcount == 1


def _claimable(connection: Connection, condition: ColumnElement[bool]) -> Claimable | None:
    row = connection.execute(
        select(
            person.c.person_id,
            person.c.uid,
            person.c.album,
            person.c.given_name,
            person.c.middle_name,
            person.c.surname_prefix,
            person.c.surname,
            person.c.previous_surname,
            person.c.born_on,
            person.c.pesel_end_mac,
            person.c.document_end_mac,
            account.c.enabled,
            account.c.claimed_at,
        )
        .join(account, account.c.account_id == person.c.person_id)
        .where(condition, person.c.album.is_not(None))
    ).one_or_none()
    return None if row is None else Claimable(**row._mapping)
