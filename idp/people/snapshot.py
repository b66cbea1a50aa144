"""The one read model of a person: everything that rules look at, at one moment.

A merged record gives its enrolments, addresses and locks to the record that is kept, and has no rights of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection

from idp.people.account_queries import NO_ACCOUNT, AccountData, account_data_among
from idp.people.address_queries import NO_ADDRESSES, Addresses, addresses_among
from idp.people.lock_queries import locked_among
from idp.people.merge_queries import Merge, merges_in_force
from idp.people.queries import load_people
from idp.people.settings import PeopleSettings
from idp.people.source_queries import PersonSource, sources_among
from idp.people.status import MERGED, Access, PersonStatus, latest_per_programme, person_status
from idp.people.values import Album, Assurance, Enrolment, MergedRecord, Person, PersonId, Source


# A Struct, not a dataclass: a plan of everybody makes a million, and a frozen dataclass takes five times as long.
class PersonSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One person at one moment."""

    person_id: PersonId
    uid: str
    album: Album | None
    given_name: str
    middle_name: str = ""
    surname_prefix: str = ""
    surname: str
    born_on: date | None = None
    private_mail: str = ""  # unverified, from the registry
    sources: tuple[PersonSource, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()  # of the merged records too
    status: PersonStatus
    addresses: Addresses = NO_ADDRESSES  # of the merged records too
    is_locked: bool = False  # a human locked the account, whatever the records say
    account: AccountData = NO_ACCOUNT
    merged: tuple[MergedRecord, ...] = ()  # the records that are merged into this one
    merged_into: PersonId | None = None
    settings: PeopleSettings  # the university's names, for rules

    @property
    def may_sign_in(self) -> bool:
        """The records allow it and nobody locked the account."""
        return self.status.access is Access.ACTIVE and not self.is_locked

    @property
    def is_staff(self) -> bool:
        """A source of staff has this person, whatever other sources say."""
        return any(each.source is Source.STAFF for each in self.sources)

    @property
    def full_surname(self) -> str:
        """`van` + `Beek` -> `van Beek`."""
        return f"{self.surname_prefix} {self.surname}".strip()

    @property
    def display_name(self) -> str:
        """Given name and surname; one of them may be missing (docs/domain.md, names)."""
        return f"{self.given_name} {self.full_surname}".strip()

    @property
    def albums(self) -> tuple[Album, ...]:
        """All albums of the person, the kept record's first."""
        return tuple(album for album in (self.album, *(record.album for record in self.merged)) if album)

    @property
    def assurance(self) -> Assurance:
        """How well we know that the account's owner is this person."""
        return Assurance.MATCHED if self.account.is_claimed else Assurance.NONE

    def without_locks(self) -> "PersonSnapshot":
        """Return what the records alone say."""
        return msgspec.structs.replace(self, is_locked=False) if self.is_locked else self


def load_snapshots(
    connection: Connection,
    person_ids: Sequence[str],
    settings: PeopleSettings,
    today: date,
    merges: Sequence[Merge] | None = None,
) -> list[PersonSnapshot]:
    """Return the snapshots of those people who exist, sorted by person_id.

    Shape:   merges: the merges to assume; None: those in force
    """
    wanted = set(person_ids)
    in_force = merges_in_force(connection) if merges is None else merges
    make = _SnapshotMaker(connection, [each for each in in_force if {each.kept, each.merged} & wanted], settings, today)
    addresses = addresses_among(connection, person_ids)
    locked = locked_among(connection, person_ids)
    accounts = account_data_among(connection, person_ids)
    sources = sources_among(connection, person_ids)
    return [
        make.snapshot(
            person,
            addresses.get(person.person_id, NO_ADDRESSES),
            accounts.get(person.person_id, NO_ACCOUNT),
            sources.get(person.person_id, ()),
            is_locked=person.person_id in locked,
        )
        for person in sorted(load_people(connection, person_ids), key=lambda person: person.person_id)
    ]


def load_snapshot(
    connection: Connection, person_id: str, settings: PeopleSettings, today: date
) -> PersonSnapshot | None:
    """Return the snapshot of one person."""
    return next(iter(load_snapshots(connection, [person_id], settings, today)), None)


class _SnapshotMaker:
    """Makes snapshots, with what merged records give to the kept ones. Merges are few, so they are all in memory."""

    def __init__(self, connection: Connection, merges: Sequence[Merge], settings: PeopleSettings, today: date) -> None:
        self._settings = settings
        self._policy = settings.access_policy
        self._today = today
        self._kept_of = {PersonId(each.merged): PersonId(each.kept) for each in merges}
        self._parts: dict[str, list[_Part]] = {}  # by the kept person
        if merges:
            ids = [each.merged for each in merges]
            people: Mapping[str, Person] = {each.person_id: each for each in load_people(connection, ids)}
            addresses = addresses_among(connection, ids)
            locked = locked_among(connection, ids)
            sources = sources_among(connection, ids)
            for each in merges:
                if person := people.get(each.merged):
                    part = _Part(
                        person,
                        addresses.get(each.merged, NO_ADDRESSES),
                        _sources(person, sources.get(each.merged, ())),
                        each.merged in locked,
                    )
                    self._parts.setdefault(each.kept, []).append(part)

    def snapshot(
        self,
        person: Person,
        addresses: Addresses,
        account: AccountData,
        others: tuple[PersonSource, ...],
        *,
        is_locked: bool,
    ) -> PersonSnapshot:
        """Return the snapshot of a record: of a merged one without rights, of a kept one with those of both."""
        sources = _sources(person, others)
        merged: tuple[MergedRecord, ...] = ()
        enrolments = person.enrolments
        merged_into = self._kept_of.get(person.person_id)
        if merged_into is not None:
            addresses, status = NO_ADDRESSES, MERGED
        else:
            for part in self._parts.get(person.person_id, ()):
                enrolments = latest_per_programme(enrolments + part.person.enrolments)
                addresses = addresses.with_merged(part.addresses)
                sources += part.sources
                is_locked = is_locked or part.is_locked
                merged += (MergedRecord(part.person.person_id, part.person.uid, part.person.album),)
            status = person_status(enrolments, [each.source for each in sources], self._today, self._policy)
        return PersonSnapshot(
            person_id=person.person_id,
            uid=person.uid,
            album=person.album,
            given_name=person.given_name,
            middle_name=person.middle_name,
            surname_prefix=person.surname_prefix,
            surname=person.surname,
            born_on=person.born_on,
            private_mail=person.private_mail,
            sources=sources,
            enrolments=enrolments,
            status=status,
            addresses=addresses,
            is_locked=is_locked,
            account=account,
            merged=merged,
            merged_into=merged_into,
            settings=self._settings,
        )


class _Part(msgspec.Struct, frozen=True):
    """What a merged record gives to the kept one."""

    person: Person
    addresses: Addresses
    sources: tuple[PersonSource, ...]
    is_locked: bool


def _sources(person: Person, others: tuple[PersonSource, ...]) -> tuple[PersonSource, ...]:
    return (PersonSource(Source.REGISTRY, person.os_id), *others) if person.os_id else others
