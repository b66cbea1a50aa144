"""Decide what becomes of one person's rows: added, changed, unchanged or quarantined. Pure.

Staleness is judged before validity, row by row: last year's file must not flood the quarantine. A good row may stand
beside a bad one; what concerns the person as a whole (two albums, rows that disagree) keeps all of them aside.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

import msgspec

from idp.people.queries import AlbumOwner, Identity, NewPerson, PersonRecord, PersonUpdate, StampedEnrolment
from idp.people.status import Access, AccessPolicy, PersonStatus, person_status, status_in_force
from idp.people.values import Album as AlbumText
from idp.people.values import Enrolment, Source, Status, album_number
from idp.registry.albums import MergedRecords, refused_beside
from idp.registry.export_file import split
from idp.registry.queries import QuarantinedRow
from idp.registry.reasons import Reason, Remark
from idp.registry.rows import BadRow, Row, Rules, Stamp, read_row, read_stamp

WHO = frozenset({"given_name", "surname", "born_on", "sex", "pesel"})
"""Fields that say who somebody is. A file may change them for few people only."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One person in a file, and what is known about them."""

    os_id: str
    rows: tuple[tuple[int, str], ...]  # line and text
    digest: int
    stored: PersonRecord | None
    owners: Mapping[str, AlbumOwner] = {}  # of the album numbers in this file, by number
    contests: Mapping[str, Reason] = {}  # by album number: why this person may not have it, because of other rows
    merged: MergedRecords = MergedRecords(())

    def owner_of(self, album: str) -> AlbumOwner | None:
        """Return to whom else an album is assigned."""
        owner = self.owners.get(album_number(AlbumText(album)))
        return None if owner and self.stored and owner.person_id == self.stored.person_id else owner

    def is_same_person(self, owner: AlbumOwner) -> bool:
        """Return whether the owner's record and this one are merged."""
        return self.stored is not None and self.merged.person(owner.person_id) == self.merged.person(
            self.stored.person_id
        )


class Context(msgspec.Struct, frozen=True):
    """What a decision needs besides the candidate."""

    rules: Rules
    policy: AccessPolicy
    seal: Callable[[str], str]  # Keys.seal


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What to write for one person, and what to count."""

    os_id: str
    add: NewPerson | None = None  # without person_id and uid, which are assigned when it is written
    update: PersonUpdate | None = None
    fields: tuple[str, ...] = ()  # what of a known person changed
    access: Access | None = None  # the new one, when it changed
    takes_student_rights: bool = False  # from a known person, now or when the rows' statuses begin
    first_album: str | None = None
    new_pesel: str | None = None  # its hash
    quarantined: tuple[QuarantinedRow, ...] = ()
    resolved: tuple[str, ...] = ()  # programmes with valid rows
    recheck: bool = False  # evaluate this known person at the next import again
    stored_as: str | None = None  # person_id of a known person
    duplicate_of: tuple[str, ...] = ()  # person_ids whose album and PESEL these rows carry
    stale: int = 0
    remarks: tuple[Remark, ...] = ()

    @property
    def changes_who(self) -> bool:
        """Return whether a known person gets another name, birth date, sex or PESEL."""
        return not WHO.isdisjoint(self.fields)

    @property
    def takes_access(self) -> bool:
        """Return whether a known person may no longer sign in."""
        return self.access is not None and self.access is not Access.ACTIVE


class _Read(msgspec.Struct, gc=False):
    """A row and what the rules have found so far."""

    line: int
    text: str
    fields: list[str] = []
    stamp: Stamp | None = None
    row: Row | None = None
    reason: Reason | None = None


def decide(candidate: Candidate, context: Context) -> Decision:
    """Return the decision about a person's rows."""
    reads = [_Read(line, text) for line, text in candidate.rows]
    fresh = _fresh(reads, candidate.stored, context.rules)
    stale = sum(read.reason is None for read in reads) - len(fresh)
    good = [read for read in fresh if _is_good(read, context.rules)]
    if candidate.stored is not None:
        _keep_spelling(good, candidate.stored.identity)
    chosen, beaten = _one_per_programme(good)
    stale += len(beaten)
    has_album = any(_row(read).identity.album for read in chosen)
    duplicate_of = _resolve_albums(chosen, candidate)
    chosen = _judge_person(chosen, candidate, has_album=has_album)
    stale += _overtaken(reads, chosen)
    quarantined = tuple(_quarantined(candidate.os_id, read, context) for read in reads if read.reason is not None)
    rows = [_row(read) for read in chosen]
    digest = 0 if quarantined or stale else candidate.digest
    add = None
    if rows and candidate.stored is None:
        add = _new_person(candidate.os_id, rows, digest, beaten, context)
    decision = Decision(
        os_id=candidate.os_id,
        add=add,
        new_pesel=add.identity.pesel_mac if add else None,
        quarantined=quarantined,
        stale=stale,
        remarks=tuple(remark for row in rows for remark in row.remarks),
        resolved=tuple(sorted(row.enrolment.programme for row in rows)),
        recheck=bool(quarantined) and candidate.stored is not None and not rows,
        stored_as=candidate.stored.person_id if candidate.stored else None,
        duplicate_of=tuple(sorted(duplicate_of)),
    )
    if not rows or candidate.stored is None:
        return decision
    return _known_person(decision, candidate.stored, rows, digest, beaten, context)


# --- rows -----------------------------------------------------------------------------------------------------------


def _fresh(reads: Iterable[_Read], stored: PersonRecord | None, rules: Rules) -> list[_Read]:
    """Return the rows that are not older than the stored ones. Set the reason of rows whose age is unreadable."""
    known = {one.enrolment.programme: one for one in stored.enrolments} if stored else {}
    fresh = []
    for read in reads:
        try:
            read.fields = _split(read.text)
            read.stamp = read_stamp(read.fields, rules)
        except BadRow as bad:
            read.reason = bad.reason
            continue
        before = known.get(read.stamp.programme)
        if before is None or read.stamp.changed_at >= before.changed_at:
            fresh.append(read)
    return fresh


def _is_good(read: _Read, rules: Rules) -> bool:
    assert read.stamp is not None
    try:
        read.row = read_row(read.line, read.fields, read.stamp, rules)
    except BadRow as bad:
        read.reason = bad.reason
        return False
    return True


def _keep_spelling(reads: Iterable[_Read], stored: Identity) -> None:
    """Give rows in capitals the stored spelling of a name that reads the same in capitals.

    Capitals lose letters: GROSSMANN may be Grossmann or Großmann, YILDIRIM may be Yıldırım.
    """
    for read in reads:
        row = _row(read)
        known = {name: getattr(stored, name) for name in row.capitals}
        same = {
            name: spelling
            for name, spelling in known.items()
            if spelling.upper() == getattr(row.identity, name).upper()
        }
        if same:
            read.row = msgspec.structs.replace(row, identity=msgspec.structs.replace(row.identity, **same))


def _split(text: str) -> list[str]:
    try:
        return split(text)
    except csv.Error:
        raise BadRow(Reason.QUOTING) from None


def _row(read: _Read) -> Row:
    assert read.row is not None
    return read.row


def _one_per_programme(good: Iterable[_Read]) -> tuple[list[_Read], list[_Read]]:
    """Return the row that counts for each programme, and the older rows.

    A programme repeated (struck off, admitted again) counts by its latest change, then by its latest status.
    Set the reason of rows if no rule decides between them.
    """
    good = list(good)
    if len(good) < 2:
        return good, []
    by_programme: dict[str, list[_Read]] = defaultdict(list)
    for read in good:
        by_programme[_row(read).enrolment.programme].append(read)
    chosen, beaten = [], []
    for reads in by_programme.values():
        latest = max(_age(read) for read in reads)
        first = [read for read in reads if _age(read) == latest]
        if any(_content(read) != _content(first[0]) for read in first):
            for read in reads:
                read.reason = Reason.PROGRAMME_REPEATED
            continue
        chosen.append(min(first, key=lambda read: read.line))
        beaten += [read for read in reads if _age(read) != latest]
    return chosen, beaten


def _overtaken(reads: Sequence[_Read], chosen: Iterable[_Read]) -> int:
    """Return how many bad rows are older than the valid row of their programme. They are stale, not bad.

    The next import of the same file finds them older than the stored row, so this one must say the same.
    """
    if all(read.reason is None for read in reads):
        return 0
    taken = {_row(read).enrolment.programme: _row(read).changed_at for read in chosen}
    count = 0
    for read in reads:
        if read.reason is None or read.stamp is None:
            continue
        overtaken_at = taken.get(read.stamp.programme)
        if overtaken_at is not None and read.stamp.changed_at < overtaken_at:
            read.reason = None
            count += 1
    return count


def _age(read: _Read) -> tuple[datetime, date]:
    return _row(read).changed_at, _row(read).enrolment.status_from


def _content(read: _Read) -> tuple[Enrolment, Identity]:
    return _row(read).enrolment, _row(read).identity


# --- the person -----------------------------------------------------------------------------------------------------


def _resolve_albums(reads: Iterable[_Read], candidate: Candidate) -> set[str]:
    """Accept the album of another record of the same person, and return the records that may be this person.

    The registry merges two people by giving the rows of both one os_id. If the records were merged here too, the album
    of either is accepted and each record keeps its own. If they were not, the owner's PESEL beside the owner's album
    says that a human must compare the two records. A record without an album is then taken without one.
    """
    own_album = candidate.stored.identity.album if candidate.stored else None
    duplicate_of = set()
    for read in reads:
        row = _row(read)
        owner = candidate.owner_of(row.identity.album) if row.identity.album else None
        if owner is None:
            continue
        is_merged = candidate.is_same_person(owner)
        names_owner = owner.is_named_by(row.identity)
        if names_owner and not is_merged:
            duplicate_of.add(owner.person_id)
        if is_merged or (names_owner and own_album is None):
            identity = msgspec.structs.replace(row.identity, album=own_album)
            read.row = msgspec.structs.replace(row, identity=identity)
    return duplicate_of


def _judge_person(reads: list[_Read], candidate: Candidate, *, has_album: bool) -> list[_Read]:
    """Return the rows that are valid together and beside the stored person."""
    stored = candidate.stored
    albums = {album for read in reads if (album := _row(read).identity.album)}
    if len(albums) > 1:
        return _quarantine_all(reads, _several_albums(albums))
    album = next(iter(albums), None)
    kept_album = stored.identity.album if stored else None
    if album and kept_album and album != kept_album:
        return _quarantine_all(reads, Reason.ALBUM_CHANGED)
    if album and (refused := _refused_album(album, candidate)):
        return _quarantine_all(reads, refused)
    if len(reads) > 1 and len({_who(read) for read in _newest(reads)}) > 1:
        return _quarantine_all(reads, Reason.ROWS_DISAGREE)
    known = {one.enrolment.programme: one for one in stored.enrolments} if stored else {}
    for read in reads:
        row = _row(read)
        if not has_album and row.enrolment.status is not Status.ADMITTED:
            read.reason = Reason.ALBUM_MISSING
        elif (before := known.get(row.enrolment.programme)) and _goes_back(row, before):
            read.reason = Reason.STATUS_BACK_IN_TIME
    return [read for read in reads if read.reason is None]


def _several_albums(albums: Iterable[str]) -> Reason:
    numbers = {album_number(AlbumText(text)) for text in albums}
    return Reason.ALBUM_TWO_FOR_ONE if len(numbers) > 1 else Reason.ALBUM_ZERO_TWIN


def _refused_album(album: str, candidate: Candidate) -> Reason | None:
    contested = candidate.contests.get(album_number(AlbumText(album)))
    owner = candidate.owner_of(album)
    return contested or (refused_beside(album, owner) if owner else None)


def _quarantine_all(reads: Iterable[_Read], reason: Reason) -> list[_Read]:
    for read in reads:
        read.reason = reason
    return []


def _newest(reads: Sequence[_Read]) -> list[_Read]:
    latest = max((_row(read).changed_at for read in reads), default=None)
    return [read for read in reads if _row(read).changed_at == latest]


def _who(read: _Read) -> Identity:
    # One row of several may carry the album, and a private address does not say who somebody is.
    return msgspec.structs.replace(_row(read).identity, album=None, private_mail="")


def _goes_back(row: Row, before: StampedEnrolment) -> bool:
    """Return whether a row of the same age has an older status. A newer row may have one (a reversed strike-off)."""
    return (
        row.changed_at == before.changed_at
        and row.enrolment.status is not before.enrolment.status
        and row.enrolment.status_from < before.enrolment.status_from
    )


def _identity(rows: Sequence[Row]) -> Identity:
    if len(rows) == 1:
        return rows[0].identity
    latest = max(row.changed_at for row in rows)
    newest = [row.identity for row in rows if row.changed_at == latest]
    return msgspec.structs.replace(
        newest[0],
        album=max(row.identity.album or "" for row in rows) or None,
        private_mail=max(identity.private_mail for identity in newest),
    )


def _status(enrolments: Iterable[Enrolment], context: Context) -> PersonStatus:
    return person_status(enrolments, (Source.REGISTRY,), context.rules.today, context.policy)


def _new_person(os_id: str, rows: Sequence[Row], digest: int, beaten: Sequence[_Read], context: Context) -> NewPerson:
    identity = _identity(rows)
    enrolments = tuple(_stamped(row, None, beaten, context.rules.today) for row in _by_programme(rows))
    today = _status((one.enrolment for one in enrolments), context)
    return NewPerson(
        person_id="",
        os_id=os_id,
        uid="",
        identity=identity,
        changed_at=max(row.changed_at for row in rows),
        digest=digest,
        access=today.access,
        review_on=today.changes_on,
        language=_language(identity.citizenships),
        line=min(row.line for row in rows),
        enrolments=enrolments,
    )


def _known_person(
    decision: Decision,
    stored: PersonRecord,
    rows: Sequence[Row],
    digest: int,
    beaten: Sequence[_Read],
    context: Context,
) -> Decision:
    changed_at = max(row.changed_at for row in rows)
    identity = stored.identity
    if changed_at >= stored.changed_at:
        identity = _identity(rows)
    album = stored.identity.album or max(row.identity.album or "" for row in rows) or None
    identity = msgspec.structs.replace(identity, album=album)
    known = {one.enrolment.programme: one for one in stored.enrolments}
    came = [
        _stamped(row, known.get(row.enrolment.programme), beaten, context.rules.today) for row in _by_programme(rows)
    ]
    merged = known | {one.enrolment.programme: one for one in came}
    today = _status((one.enrolment for one in merged.values()), context)
    fields = _changed_fields(stored.identity, identity, known, came)
    access = today.access if today.access is not stored.access else None
    moved = tuple(one for one in came if not known.get(one.enrolment.programme, one).says_the_same_as(one))
    update = PersonUpdate(
        person_id=stored.person_id,
        identity=identity,
        changed_at=max(changed_at, stored.changed_at),
        digest=digest,
        access=today.access,
        review_on=today.changes_on,
        line=min(row.line for row in rows) if fields else None,
        new_enrolments=tuple(one for one in came if one.enrolment.programme not in known),
        changed_enrolments=moved,
    )
    return msgspec.structs.replace(
        decision,
        update=update,
        fields=fields,
        access=access,
        takes_student_rights=_takes_student_rights(known, merged, came, context),
        first_album=album if stored.identity.album is None else None,
        new_pesel=identity.pesel_mac if identity.pesel_mac != stored.identity.pesel_mac else None,
    )


def _takes_student_rights(
    before: Mapping[str, StampedEnrolment],
    after: Mapping[str, StampedEnrolment],
    came: Iterable[StampedEnrolment],
    context: Context,
) -> bool:
    # A status that begins tomorrow takes the rights as well.
    day = max(context.rules.today, *(one.enrolment.status_from for one in came))

    def is_student(enrolments: Mapping[str, StampedEnrolment]) -> bool:
        return person_status(
            (one.enrolment for one in enrolments.values()), (Source.REGISTRY,), day, context.policy
        ).is_student

    return is_student(before) and not is_student(after)


def _stamped(row: Row, known: StampedEnrolment | None, beaten: Iterable[_Read], today: date) -> StampedEnrolment:
    """Return an enrolment with the status that applies until a future one begins."""
    one = row.enrolment
    if one.status_from <= today:
        return StampedEnrolment(one, row.changed_at, row.line)
    if known and (known.enrolment.status, known.enrolment.status_from) == (one.status, one.status_from):
        return StampedEnrolment(replace(one, before=known.enrolment.before), row.changed_at, row.line)
    earlier = [_row(read).enrolment for read in beaten if _row(read).enrolment.programme == one.programme]
    if known:
        earlier.append(known.enrolment)
    statuses = [(each.status, each.status_from) for each in earlier]
    statuses += [each.before for each in earlier if each.before]
    return StampedEnrolment(replace(one, before=status_in_force(statuses, today)), row.changed_at, row.line)


def _by_programme(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.enrolment.programme)


def _changed_fields(
    before: Identity, after: Identity, known: Mapping[str, StampedEnrolment], came: Iterable[StampedEnrolment]
) -> tuple[str, ...]:
    """Return the names of changed fields, and `programme`, `status`, `programme_details`; no values."""
    words = {
        name.removesuffix("_mac").removesuffix("_end")
        for name in Identity.__struct_fields__
        if getattr(before, name) != getattr(after, name)
    }
    for one in came:
        was = known.get(one.enrolment.programme)
        if was is None:
            words.add("programme")
        elif (was.enrolment.status, was.enrolment.status_from) != (one.enrolment.status, one.enrolment.status_from):
            words.add("status")
        elif was.enrolment != one.enrolment:
            words.add("programme_details")
    return tuple(sorted(words))


def _language(citizenships: str) -> str:
    """Return the language of letters until the person chooses one."""
    return "en" if citizenships and "PL" not in citizenships.split("|") else "pl"


def _quarantined(os_id: str, read: _Read, context: Context) -> QuarantinedRow:
    assert read.reason is not None
    programme = read.stamp.programme if read.stamp else ""
    return quarantined_row(os_id, programme, read.line, read.text, read.reason, context)


def quarantined_row(
    os_id: str, programme: str, line: int, text: str, reason: Reason, context: Context
) -> QuarantinedRow:
    """Return a row for the quarantine. Its text is sealed because it holds national ids."""
    text = text.rstrip("\r\n")
    return QuarantinedRow(
        os_id=os_id,
        programme=programme,
        line=line,
        reason=reason.value,
        row_mac=context.rules.mac("quarantined-row", text),
        sealed_row=context.seal(text[:_LONGEST_KEPT]),
    )


_LONGEST_KEPT = 16_384  # characters; an open quotation mark can swallow the rest of a file
