"""Evaluate the people of a file whose rows differ from those last taken. Reads the store and writes nothing to it."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import msgspec
from more_itertools import chunked
from sqlalchemy import Connection

from idp.db.databases import Database
from idp.people import queries as people
from idp.people.merge_queries import merges_in_force
from idp.people.queries import AlbumOwner
from idp.registry.albums import Claim, MergedRecords, contest
from idp.registry.decisions import Candidate, Context, Decision, decide, quarantined_row
from idp.registry.export_file import Progress, split
from idp.registry.guards import too_many_bad_rows
from idp.registry.reasons import Reason
from idp.registry.results import Counts
from idp.registry.rows import BadRow, Row, read_row, read_stamp
from idp.registry.scan import Scan, album_number_of

_FRAME = struct.Struct(">Q")

Lines = tuple[tuple[int, str], ...]
"""Line and text of each of a person's rows."""


def evaluate(
    scan: Scan,
    identity: Database,
    context: Context,
    chunk: int,
    most_bad: int | None,
    spool: BinaryIO,
    progress: Progress,
) -> Counts:
    """Write decisions to `spool`, a frame per `chunk` people, and return their sums.

    The spool is a file: the last row may refuse the whole import, and a million decisions do not fit in memory.

    Raises:  RefusedSource when more than `most_bad` rows are bad
    """
    counts = Counts()
    encoder = msgspec.msgpack.Encoder()
    malformed = [quarantined_row(one.os_id, "", one.line, one.text, one.reason, context) for one in scan.malformed]
    counts.quarantined.update(one.reason for one in malformed)
    with identity.read() as connection:
        merged = MergedRecords((one.kept, one.merged) for one in merges_in_force(connection))
    contests = _contests(scan, identity, context, merged, most_bad)
    done = scan.people - scan.same.count(0)
    for places in chunked(scan.to_evaluate(), chunk):
        decisions = [decide(candidate, context) for candidate in _candidates(scan, identity, places, contests, merged)]
        for decision in decisions:
            _count(counts, decision)
        if most_bad is not None and counts.bad_rows > most_bad:
            raise too_many_bad_rows(counts.quarantined, scan.rows)
        put_frame(spool, encoder.encode(decisions))
        done += len(places)
        progress("checking", done, scan.people)
    # These frames come last: the next import then evaluates the people that malformed rows name once more.
    for some in chunked(malformed, chunk):
        put_frame(spool, encoder.encode([Decision(os_id=one.os_id, quarantined=(one,), recheck=True) for one in some]))
    return counts


def put_frame(spool: BinaryIO, frame: bytes) -> None:
    """Append a frame."""
    spool.write(_FRAME.pack(len(frame)))
    spool.write(frame)


def frames(spool: BinaryIO) -> Iterator[bytes]:
    """Yield the frames of a spool from its beginning."""
    spool.seek(0)
    while head := spool.read(_FRAME.size):
        yield spool.read(_FRAME.unpack(head)[0])


def _candidates(
    scan: Scan,
    identity: Database,
    places: Sequence[int],
    contests: Mapping[int, Mapping[str, Reason]],
    merged: MergedRecords,
) -> Iterator[Candidate]:
    os_ids = [str(scan.os_ids[place]) for place in places]
    rows = [tuple(scan.texts(place)) for place in places]
    with identity.read() as connection:
        stored = people.records_of(connection, os_ids)
        owners = _owners(connection, rows)
    for place, os_id, lines in zip(places, os_ids, rows, strict=True):
        yield Candidate(
            os_id=os_id,
            rows=lines,
            digest=scan.digest(place),
            stored=stored.get(os_id),
            owners=owners,
            contests=contests.get(place, {}),
            merged=merged,
        )


def _owners(connection: Connection, rows: Iterable[Lines]) -> dict[str, AlbumOwner]:
    """Return the owners of all album numbers in some rows, by number."""
    numbers = {number for lines in rows for _, text in lines if (number := album_number_of(text))}
    return people.album_owners(connection, numbers)


def _contests(
    scan: Scan, identity: Database, context: Context, merged: MergedRecords, most_bad: int | None
) -> dict[int, dict[str, Reason]]:
    """Return, by place and album number, why a number that several people of this file claim may not be taken."""
    refused: dict[int, dict[str, Reason]] = {}
    for number, places in scan.contested():
        claims = _claims(scan, identity, context, merged, number, places)
        for place, reason in contest(claims).items():
            refused.setdefault(place, {})[str(number)] = reason
        if most_bad is not None and len(refused) > most_bad:
            reasons = Counts()
            reasons.quarantined.update(reason.value for by_number in refused.values() for reason in by_number.values())
            raise too_many_bad_rows(reasons.quarantined, scan.rows)
    return refused


def _claims(
    scan: Scan, identity: Database, context: Context, merged: MergedRecords, number: int, places: Sequence[int]
) -> list[Claim]:
    with identity.read() as connection:
        owner = people.album_owners(connection, [str(number)]).get(str(number))
        stored = people.records_of(connection, [str(scan.os_ids[place]) for place in places])
    claims = []
    for place in places:
        os_id = scan.os_ids[place]
        rows = _rows_with_album(scan.texts(place), number, context)
        if not rows:
            continue
        record = stored.get(str(os_id))
        person = merged.person(record.person_id) if record else f"os_id {os_id}"
        # The owner's PESEL says that this is the owner under another os_id: no contest, but a possible duplicate.
        if owner and any(owner.is_named_by(row.identity) for row in rows):
            person = merged.person(owner.person_id)
        # Of two spellings the same one counts, whatever the order of the rows.
        text = min(row.identity.album or "" for row in rows)
        claims.append(
            Claim(place, os_id, text, person, is_owner=bool(record and owner and record.person_id == owner.person_id))
        )
    return claims


def _rows_with_album(lines: Iterable[tuple[int, str]], number: int, context: Context) -> list[Row]:
    """Return the valid rows that carry an album number. An invalid row claims nothing."""
    rows = []
    for line, text in lines:
        try:
            fields = split(text)
            row = read_row(line, fields, read_stamp(fields, context.rules), context.rules)
        except BadRow:
            continue
        if row.identity.album is not None and int(row.identity.album) == number:
            rows.append(row)
    return rows


def _count(counts: Counts, decision: Decision) -> None:
    counts.added += decision.add is not None
    counts.changed += bool(decision.fields)
    counts.stale_rows += decision.stale
    counts.who_changed += decision.changes_who
    counts.access_lost += decision.takes_access
    counts.student_rights_lost += decision.takes_student_rights
    # Most decisions have none of these, and updating a Counter costs more than the rest together.
    if decision.fields:
        counts.fields.update(decision.fields)
    if decision.quarantined:
        counts.quarantined.update(one.reason for one in decision.quarantined)
    if decision.remarks:
        counts.remarks.update(remark.value for remark in decision.remarks)
