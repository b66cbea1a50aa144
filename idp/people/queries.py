"""People, their enrolments and every name ever given: how they are read and written."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any

import msgspec
from more_itertools import chunked
from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    func,
    insert,
    select,
    update,
)

from idp.db.bulk import BATCH, among, insert_rows, rows_among
from idp.people.status import Access
from idp.people.tables import account, assigned_identifier, enrolment, person
from idp.people.values import AccountKind, Album, Enrolment, IdentifierKind, Person, PersonId, Status, album_number


# gc=False: these values hold no cycles. An import makes millions, and the collector took a seventh of its time.
class Identity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the registry says about the human being; national ids only as keyed hashes."""

    album: str | None
    given_name: str
    middle_name: str
    surname_prefix: str
    surname: str
    previous_surname: str
    born_on: date | None
    sex: str
    citizenships: str
    private_mail: str
    pesel_mac: str | None
    pesel_end_mac: str | None
    document_mac: str | None
    document_end_mac: str | None

    @property
    def display_name(self) -> str:
        """Given name and surname with its prefix; one of them may be missing."""
        return " ".join(part for part in (self.given_name, self.surname_prefix, self.surname) if part)


class StampedEnrolment(msgspec.Struct, frozen=True, gc=False):
    """A programme, when the registry last changed its row, and where that row stands in the file (0: not of a file)."""

    enrolment: Enrolment
    changed_at: datetime
    line: int = 0

    def says_the_same_as(self, other: "StampedEnrolment") -> bool:
        """Say whether only the place in the file differs."""
        return (self.enrolment, self.changed_at) == (other.enrolment, other.changed_at)


class PersonRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One person as stored, with everything that an import compares."""

    person_id: str
    os_id: str
    uid: str
    identity: Identity
    changed_at: datetime
    digest: int
    access: Access
    review_on: date | None
    enrolments: tuple[StampedEnrolment, ...]


class NewPerson(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person to be added, with account, enrolments and names."""

    person_id: str
    os_id: str
    uid: str
    identity: Identity
    changed_at: datetime
    digest: int
    access: Access
    review_on: date | None
    language: str
    line: int
    enrolments: tuple[StampedEnrolment, ...]


class PersonUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person's new state; `line` is None when nothing but stamps moved and the provenance stays."""

    person_id: str
    identity: Identity
    changed_at: datetime
    digest: int
    access: Access
    review_on: date | None
    line: int | None
    new_enrolments: tuple[StampedEnrolment, ...]
    changed_enrolments: tuple[StampedEnrolment, ...]


# --- reading one or some --------------------------------------------------------------------------------------------

_PERSON_COLUMNS = (
    person.c.person_id,
    person.c.os_id,
    person.c.album,
    person.c.uid,
    person.c.given_name,
    person.c.middle_name,
    person.c.surname_prefix,
    person.c.surname,
    person.c.born_on,
    person.c.private_mail,
)
_ENROLMENT_COLUMNS = tuple(
    column for column in enrolment.c if column.name not in ("person_id", "source_import", "source_line")
)


def load_person(connection: Connection, person_id: str) -> Person | None:
    """Return one person by our key."""
    return next(iter(load_people(connection, [person_id])), None)


def load_people(connection: Connection, person_ids: Sequence[str]) -> list[Person]:
    """Return those of some people who exist, sorted by uid."""
    found: list[Person] = []
    for batch in chunked(person_ids, BATCH):
        rows = connection.execute(select(*_PERSON_COLUMNS).where(among(connection, person.c.person_id, batch))).all()
        enrolments = _enrolments_of(connection, batch)
        found += [_person(row, enrolments.get(row.person_id, ())) for row in rows]
    return sorted(found, key=lambda one: one.uid)


def find_by_album(connection: Connection, album: Album) -> Person | None:
    """Return who has an album number; leading zeros mean nothing."""
    return _find(connection, person.c.album_number == album_number(album))


def add_invited_person(connection: Connection, person_id: str, uid: str, at: datetime) -> None:
    """Write a person whom the registry does not know, without a name yet. The uid is theirs for ever."""
    texts = dict.fromkeys(("given_name", "middle_name", "surname_prefix", "surname", "previous_surname"), "")
    rest = dict.fromkeys(("sex", "citizenships", "private_mail", "source_import"), "")
    row = {"person_id": person_id, "uid": uid, "changed_at": at, "first_seen_at": at, "access": Access.CLOSED.value}
    connection.execute(insert(person).values(**row, **texts, **rest, digest=0, source_line=0))
    _give_names(connection, [(IdentifierKind.UID.value, uid, person_id)], at)


def set_name(connection: Connection, person_id: str, given_name: str, surname: str) -> None:
    """Write the name of a person whom the registry does not know; of others the registry decides."""
    own = update(person).where(person.c.person_id == person_id, person.c.os_id.is_(None))
    connection.execute(own.values(given_name=given_name, surname=surname))


def people_after(connection: Connection, after: str, limit: int) -> list[str]:
    """Return person_ids, sorted, behind one."""
    query = select(person.c.person_id).where(person.c.person_id > after).order_by(person.c.person_id)
    return list(connection.execute(query.limit(limit)).scalars())


def count_people(connection: Connection) -> int:
    """Return how many people are stored."""
    return connection.execute(select(func.count()).select_from(person)).scalar_one()


# --- for the import -------------------------------------------------------------------------------------------------


def stream_digests(connection: Connection) -> Iterator[tuple[str, int]]:
    """Yield (os_id, digest of the rows last taken) of everybody, in no order."""
    rows = connection.execution_options(yield_per=10_000).execute(
        select(person.c.os_id, person.c.digest).where(person.c.os_id.is_not(None))
    )
    for part in rows.partitions():
        yield from part


def digests_of(connection: Connection, os_ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield (os_id, digest) of those of some people who are stored."""
    yield from rows_among(connection, select(person.c.os_id, person.c.digest), person.c.os_id, os_ids)


def records_of(connection: Connection, os_ids: Sequence[str]) -> dict[str, PersonRecord]:
    """Return, by os_id, those of some people who are stored."""
    found = {}
    for batch in chunked(os_ids, BATCH):
        rows = connection.execute(select(person).where(among(connection, person.c.os_id, batch))).all()
        enrolments = _stamped_of(connection, [row.person_id for row in rows])
        found.update({row.os_id: _record(row, enrolments.get(row.person_id, ())) for row in rows})
    return found


class AlbumOwner(msgspec.Struct, frozen=True, gc=False):
    """The person to whom an album number is assigned."""

    person_id: str
    album: str  # as printed
    pesel_mac: str | None

    def is_named_by(self, identity: Identity) -> bool:
        """Return whether a row has the owner's PESEL beside the owner's album, as printed.

        Another spelling of the number does not name the owner: of two new people with two spellings one becomes the
        owner, and the next import of the same file must say the same about the other.
        """
        return self.pesel_mac is not None and (self.pesel_mac, self.album) == (identity.pesel_mac, identity.album)


def album_owners(connection: Connection, numbers: Collection[str]) -> dict[str, AlbumOwner]:
    """Return the owners of album numbers, by number without leading zeros."""
    columns = (assigned_identifier.c.value, assigned_identifier.c.owner_id, person.c.album, person.c.pesel_mac)
    query = select(*columns).outerjoin(person, person.c.person_id == assigned_identifier.c.owner_id)
    albums = query.where(assigned_identifier.c.kind == IdentifierKind.ALBUM)
    rows = rows_among(connection, albums, assigned_identifier.c.value, numbers)
    return {row.value: AlbumOwner(row.owner_id, row.album or row.value, row.pesel_mac) for row in rows}


def uids_given_among(connection: Connection, uids: Collection[str]) -> set[str]:
    """Return those of some uids that were ever given to anybody."""
    query = select(assigned_identifier.c.value).where(assigned_identifier.c.kind == IdentifierKind.UID)
    return {row[0] for row in rows_among(connection, query, assigned_identifier.c.value, uids)}


def sharing_pesel(connection: Connection, macs: Collection[str]) -> dict[str, list[str]]:
    """Return the person_ids behind each of some PESEL hashes that stands for more than one person.

    They are one human being under two numbers of the registry, or a mistake there; a human decides.
    """
    groups: dict[str, list[str]] = {}
    for batch in chunked(macs, BATCH):
        rows = connection.execute(
            select(person.c.pesel_mac, person.c.person_id)
            .where(
                person.c.pesel_mac.in_(
                    select(person.c.pesel_mac)
                    .where(among(connection, person.c.pesel_mac, batch))
                    .group_by(person.c.pesel_mac)
                    .having(func.count() > 1)
                )
            )
            .order_by(person.c.pesel_mac, person.c.first_seen_at, person.c.person_id)
        )
        for mac, group in groupby(rows, key=lambda row: row.pesel_mac):
            groups[mac] = [row.person_id for row in group]
    return groups


def add_people(connection: Connection, people: Sequence[NewPerson], import_id: str, at: datetime) -> None:
    """Write new people with account, enrolments, uid and album.

    Effect:  rows in person, enrolment, account and assigned_identifier. The account is closed and was never opened
             (epoch 0): a guarded run opens it (idp.provisioning.targets.accounts)
    """
    own = ("person_id", "os_id", "uid", "changed_at", "digest", "access", "review_on")
    insert_rows(
        connection,
        person,
        (*own, *_IDENTITY_COLUMNS, "source_import", "source_line", "first_seen_at"),
        (
            (
                *(new.person_id, new.os_id, new.uid, new.changed_at, new.digest, new.access.value, new.review_on),
                *_identity_values(new.identity),
                *(import_id, new.line, at),
            )
            for new in people
        ),
    )
    _add_enrolments(connection, ((new.person_id, new.enrolments) for new in people), import_id)
    insert_rows(connection, account, _ACCOUNT_COLUMNS, (_account_values(new, at) for new in people))
    names = [(IdentifierKind.UID.value, new.uid, new.person_id) for new in people]
    names += [
        (IdentifierKind.ALBUM.value, album_number(Album(new.identity.album)), new.person_id)
        for new in people
        if new.identity.album
    ]
    _give_names(connection, names, at)


def change_people(connection: Connection, people: Sequence[PersonUpdate], import_id: str, at: datetime) -> None:
    """Write what an import found about people who are known.

    Effect:  rows in person and enrolment; an album given for the first time is assigned for ever
    """
    _update_people(connection, [_update_columns(one) for one in people if one.line is None])
    _update_people(
        connection,
        [
            {**_update_columns(one), "source_import": import_id, "source_line": one.line}
            for one in people
            if one.line is not None
        ],
    )
    _add_enrolments(connection, ((one.person_id, one.new_enrolments) for one in people), import_id)
    changed = [
        {
            f"new_{name}": value
            for name, value in zip(_ENROLMENT_NAMES, _enrolment_values(one.person_id, stamped, import_id), strict=True)
        }
        for one in people
        for stamped in one.changed_enrolments
    ]
    if changed:
        connection.execute(_UPDATE_ENROLMENT, changed)


def give_albums(connection: Connection, albums: Mapping[str, str], at: datetime) -> None:
    """Write first album numbers of known people, by person_id, as assigned identifiers."""
    _give_names(
        connection,
        [(IdentifierKind.ALBUM.value, album_number(Album(album)), owner) for owner, album in albums.items()],
        at,
    )


def rename_accounts(connection: Connection, names: Mapping[str, str]) -> None:
    """Give accounts, by account_id, the name that pages and letters show."""
    if names:
        connection.execute(
            update(account).where(account.c.account_id == bindparam("of")).values(display_name=bindparam("to")),
            [{"of": account_id, "to": name} for account_id, name in names.items()],
        )


def forget_digests(connection: Connection, os_ids: Sequence[str]) -> None:
    """Have these people looked at again by the next import whatever its rows are."""
    for batch in chunked(os_ids, BATCH):
        connection.execute(update(person).where(among(connection, person.c.os_id, batch)).values(digest=0))


def due_for_review(connection: Connection, today: date, limit: int) -> list[PersonRecord]:
    """Return people whose standing may have changed by time alone, at most `limit` of them."""
    os_ids = connection.execute(
        select(person.c.os_id).where(person.c.review_on <= today).order_by(person.c.review_on).limit(limit)
    ).scalars()
    return list(records_of(connection, list(os_ids)).values())


def review_everybody(connection: Connection, today: date) -> int:
    """Have everybody's standing decided anew, after the rules for it changed; return how many that are."""
    return connection.execute(update(person).where(person.c.os_id.is_not(None)).values(review_on=today)).rowcount


def set_status(connection: Connection, person_id: str, access: Access, review_on: date | None) -> None:
    """Keep which access the records ask for, and when to look again."""
    connection.execute(
        update(person).where(person.c.person_id == person_id).values(access=access.value, review_on=review_on)
    )


# --- rows and values ------------------------------------------------------------------------------------------------

_UPDATE_ENROLMENT = (
    update(enrolment)
    .where(enrolment.c.person_id == bindparam("new_person_id"), enrolment.c.programme == bindparam("new_programme"))
    .values(
        {
            column: bindparam(f"new_{column.name}")
            for column in enrolment.c
            if column.name not in ("person_id", "programme")
        }
    )
)


def _update_people(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = [name for name in rows[0] if name != "of"]
        statement = (
            update(person)
            .where(person.c.person_id == bindparam("of"))
            .values({name: bindparam(name) for name in names})
        )
        connection.execute(statement, rows)


def _update_columns(one: PersonUpdate) -> dict[str, Any]:
    return {
        "of": one.person_id,
        **_identity_columns(one.identity),
        "changed_at": one.changed_at,
        "digest": one.digest,
        "access": one.access.value,
        "review_on": one.review_on,
    }


_IDENTITY_COLUMNS = (*Identity.__struct_fields__, "album_number")
_ACCOUNT_COLUMNS = (
    *("account_id", "kind", "uid", "role", "display_name", "mail"),
    *("enabled", "epoch", "claimed_at", "language", "created_at"),
)


def _identity_values(identity: Identity) -> tuple[Any, ...]:
    number = album_number(Album(identity.album)) if identity.album else None
    return (*msgspec.structs.astuple(identity), number)


def _identity_columns(identity: Identity) -> dict[str, Any]:
    return dict(zip(_IDENTITY_COLUMNS, _identity_values(identity), strict=True))


def _account_values(new: NewPerson, at: datetime) -> tuple[Any, ...]:
    name = new.identity.display_name
    return (new.person_id, AccountKind.STUDENT.value, new.uid, "", name, "", False, 0, None, new.language, at)


def _add_enrolments(
    connection: Connection, of: Iterable[tuple[str, Iterable[StampedEnrolment]]], import_id: str
) -> None:
    insert_rows(
        connection,
        enrolment,
        _ENROLMENT_NAMES,
        (_enrolment_values(person_id, stamped, import_id) for person_id, mine in of for stamped in mine),
    )


_ENROLMENT_NAMES = (
    *("person_id", "programme", "programme_name", "unit", "level", "form", "status", "status_from"),
    *("admitted_on", "ends_on", "status_before", "before_from", "changed_at", "source_import", "source_line"),
)


def _enrolment_values(person_id: str, stamped: StampedEnrolment, import_id: str) -> tuple[Any, ...]:
    one = stamped.enrolment
    before, before_from = one.before or (None, None)
    return (
        *(person_id, one.programme, one.programme_name, one.unit, one.level, one.form, one.status.value),
        *(one.status_from, one.admitted_on, one.ends_on, before.value if before else None, before_from),
        *(stamped.changed_at, import_id, stamped.line),
    )


def _give_names(connection: Connection, names: Iterable[tuple[str, str, str]], at: datetime) -> None:
    rows = ((*name, at) for name in names)
    insert_rows(connection, assigned_identifier, ("kind", "value", "owner_id", "given_at"), rows)


def _find(connection: Connection, condition: Any) -> Person | None:
    person_id = connection.execute(select(person.c.person_id).where(condition)).scalar_one_or_none()
    return None if person_id is None else load_person(connection, person_id)


def _enrolments_of(connection: Connection, person_ids: Sequence[str]) -> dict[str, tuple[Enrolment, ...]]:
    stamped = _stamped_of(connection, person_ids)
    return {person_id: tuple(one.enrolment for one in mine) for person_id, mine in stamped.items()}


def _stamped_of(connection: Connection, person_ids: Sequence[str]) -> dict[str, tuple[StampedEnrolment, ...]]:
    rows = connection.execute(
        select(enrolment)
        .where(among(connection, enrolment.c.person_id, person_ids))
        .order_by(enrolment.c.person_id, enrolment.c.programme)
    )
    return {
        person_id: tuple(StampedEnrolment(_enrolment(row), row.changed_at) for row in mine)
        for person_id, mine in groupby(rows, key=lambda row: row.person_id)
    }


def _person(row: Row[*tuple[Any, ...]], enrolments: tuple[Enrolment, ...]) -> Person:
    return Person(
        person_id=PersonId(row.person_id),
        os_id=row.os_id or "",
        album=row.album,
        uid=row.uid,
        given_name=row.given_name,
        middle_name=row.middle_name,
        surname_prefix=row.surname_prefix,
        surname=row.surname,
        born_on=row.born_on,
        private_mail=row.private_mail,
        enrolments=enrolments,
    )


def _record(row: Row[*tuple[Any, ...]], enrolments: tuple[StampedEnrolment, ...]) -> PersonRecord:
    columns = row._mapping
    return PersonRecord(
        person_id=row.person_id,
        os_id=row.os_id,
        uid=row.uid,
        identity=Identity(**{name: columns[name] for name in Identity.__struct_fields__}),
        changed_at=row.changed_at,
        digest=row.digest,
        access=Access(row.access),
        review_on=row.review_on,
        enrolments=enrolments,
    )


def _enrolment(row: Row[*tuple[Any, ...]]) -> Enrolment:
    return Enrolment(
        programme=row.programme,
        programme_name=row.programme_name,
        unit=row.unit,
        level=row.level,
        form=row.form,
        status=Status(row.status),
        status_from=row.status_from,
        admitted_on=row.admitted_on,
        ends_on=row.ends_on,
        before=(Status(row.status_before), row.before_from) if row.status_before else None,
        changed_at=row.changed_at,
    )
