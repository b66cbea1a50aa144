"""Mail addresses: who has them today (`address`), and to whom they were ever assigned (`assigned_identifier`)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from idp.db.bulk import rows_among
from idp.errors import AliasTaken, Conflict
from idp.people.tables import address, assigned_identifier, person
from idp.people.values import AddressKind, IdentifierKind


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that deliver to one person today; no primary means that no mail name was chosen yet."""

    primary: str | None = None
    alias: str | None = None
    former: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        """Return every address that stands for this person, the primary first."""
        return tuple(each for each in (self.primary, self.alias, *self.former) if each is not None)

    def with_merged(self, other: "Addresses") -> "Addresses":
        """Return these addresses with those of a merged record, which count where the kept one has none."""
        primary, alias = self.primary or other.primary, self.alias or other.alias
        rest = tuple(each for each in other.all() if each not in (primary, alias))
        return Addresses(primary, alias, self.former + rest)


NO_ADDRESSES = Addresses()


@dataclass(frozen=True, slots=True)
class NewAddress:
    """An address to be given, with the form that its look-alikes share (idp.aliases.look_alikes)."""

    address: str
    looks_like: str


def addresses_of(connection: Connection, person_id: str) -> Addresses:
    """Return the addresses that deliver to a person today."""
    rows = connection.execute(
        select(address.c.kind, address.c.address)
        .where(address.c.person_id == person_id)
        .order_by(address.c.since, address.c.address)
    )
    return _addresses((row.kind, row.address) for row in rows)


def addresses_among(connection: Connection, person_ids: Sequence[str]) -> dict[str, Addresses]:
    """Return the addresses of those of some people who have any, by person_id."""
    query = select(address.c.person_id, address.c.kind, address.c.address)
    ordered = query.order_by(address.c.person_id, address.c.since, address.c.address)
    rows = rows_among(connection, ordered, address.c.person_id, person_ids)
    return {
        person_id: _addresses((row.kind, row.address) for row in mine)
        for person_id, mine in groupby(rows, key=lambda row: str(row.person_id))
    }


def taken_among(connection: Connection, looks_like: Collection[str]) -> frozenset[str]:
    """Return those look-alike forms whose address was ever given to anybody."""
    column = assigned_identifier.c.looks_like
    return frozenset(row[0] for row in rows_among(connection, select(column), column, looks_like))


def named_among(connection: Connection, os_ids: Sequence[str]) -> frozenset[str]:
    """Return those of some people, by the registry's key, who have chosen a mail name."""
    query = select(person.c.os_id).join(address, address.c.person_id == person.c.person_id)
    primary = query.where(address.c.kind == AddressKind.PRIMARY)
    return frozenset(row[0] for row in rows_among(connection, primary, person.c.os_id, os_ids))


def give(connection: Connection, at: datetime, person_id: str, primary: NewAddress, alias: NewAddress) -> None:
    """Give a person the first primary address and the alias, for ever.

    Raises:  AliasTaken when anybody ever had one of them, or one that looks the same;
             Conflict when this person has a primary already
    Effect:  rows in `assigned_identifier` and `address`. The constraints of the tables decide: of parallel callers
             exactly one wins. After an error the transaction is of no more use.
    """
    try:
        connection.execute(
            insert(assigned_identifier), [_identifier_row(each, person_id, at) for each in (primary, alias)]
        )
    except IntegrityError as exc:
        raise AliasTaken(primary.address) from exc
    try:
        connection.execute(
            insert(address),
            [
                {"address": each.address, "person_id": person_id, "kind": kind, "since": at}
                for each, kind in ((primary, AddressKind.PRIMARY), (alias, AddressKind.ALIAS))
            ],
        )
    except IntegrityError as exc:
        raise Conflict("this person has a mail name already") from exc


def _identifier_row(new: NewAddress, owner_id: str, at: datetime) -> dict[str, object]:
    return {
        "kind": IdentifierKind.ADDRESS,
        "value": new.address,
        "owner_id": owner_id,
        "looks_like": new.looks_like,
        "given_at": at,
    }


def _addresses(pairs: Iterable[tuple[str, str]]) -> Addresses:
    by_kind: dict[str, list[str]] = {AddressKind.PRIMARY: [], AddressKind.ALIAS: [], AddressKind.FORMER: []}
    for kind, value in pairs:
        by_kind[kind].append(value)
    return Addresses(
        primary=next(iter(by_kind[AddressKind.PRIMARY]), None),
        alias=next(iter(by_kind[AddressKind.ALIAS]), None),
        former=tuple(by_kind[AddressKind.FORMER]),
    )
