"""Decide about everybody in a file whose rows are not those last taken. Reads the store, writes nothing to it."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO, TypeVar

import msgspec
from sqlalchemy import Connection

from idp.db.databases import Database
from idp.people import queries as people
from idp.people.queries import PersonRecord
from idp.registry.albums import Claim, contest, contest_with_owner
from idp.registry.decisions import Candidate, Context, Decision, decide, quarantined_row
from idp.registry.export_file import Progress, split
from idp.registry.guards import too_many_bad_rows
from idp.registry.reasons import Reason
from idp.registry.results import Counts
from idp.registry.rows import BadRow, read_row, read_stamp
from idp.registry.scan import Scan, album_number_of

T = TypeVar("T")
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
    """Write decisions to `spool`, a frame per `chunk` people, and return what they come to.

    They go to a file because the last row may refuse the first, and a million decisions do not fit in memory.

    Raises:  RefusedSource when more than `most_bad` rows are bad
    """
    counts = Counts()
    encoder = msgspec.msgpack.Encoder()
    shapeless = [quarantined_row(one.os_id, "", one.line, one.text, one.reason, context) for one in scan.malformed]
    counts.quarantined.update(one.reason for one in shapeless)
    contests = _contests(scan, identity, context, most_bad)
    done = scan.people - scan.same.count(0)
    for places in batches(scan.to_evaluate(), chunk):
        decisions = [decide(candidate, context) for candidate in _candidates(scan, identity, places, contests)]
        for decision in decisions:
            _count(counts, decision)
        if most_bad is not None and counts.bad_rows > most_bad:
            raise too_many_bad_rows(counts.quarantined, scan.rows)
        put_frame(spool, encoder.encode(decisions))
        done += len(places)
        progress("checking", done, scan.people)
    # Last, so that whoever they name is looked at again by the next import, whatever was written before.
    for some in batches(shapeless, chunk):
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


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield `items` in lists of `size`, the last one shorter."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def _candidates(
    scan: Scan, identity: Database, places: Sequence[int], contests: dict[int, Reason]
) -> Iterator[Candidate]:
    os_ids = [str(scan.os_ids[place]) for place in places]
    rows = [tuple(scan.texts(place)) for place in places]
    with identity.read() as connection:
        stored = people.records_of(connection, os_ids)
        owners = _owners(connection, rows)
    for place, os_id, mine in zip(places, os_ids, rows, strict=True):
        record = stored.get(os_id)
        refused = contests.get(place) or _contest_with_stored(mine, record, owners)
        yield Candidate(os_id, mine, scan.digest(place), record, refused)


def _owners(connection: Connection, rows: Iterable[Lines]) -> dict[str, tuple[str, str]]:
    """Return, by album number, to whom it was given for ever, and how it is printed."""
    numbers = {number for mine in rows for _, text in mine if (number := album_number_of(text))}
    owners = people.album_owners(connection, numbers)
    texts = people.album_texts(connection, owners)
    return {number: (owner, texts.get(number, number)) for number, owner in owners.items()}


def _contest_with_stored(rows: Lines, stored: PersonRecord | None, owners: dict[str, tuple[str, str]]) -> Reason | None:
    me = stored.person_id if stored else None
    claimed: dict[str, list[str]] = {}  # what others have, as these rows write it
    for _, text in rows:
        number = album_number_of(text)
        if number and owners.get(number, (me, ""))[0] != me:
            claimed.setdefault(number, []).append(split(text)[1].strip())
    if not claimed:
        return None
    number = min(claimed)  # the same one, whatever the order of the rows
    return contest_with_owner(claimed[number], owners[number][1])


def _contests(scan: Scan, identity: Database, context: Context, most_bad: int | None) -> dict[int, Reason]:
    """Return, by place, why an album number that several people of this file claim may not be taken."""
    refused: dict[int, Reason] = {}
    for number, places in scan.contested():
        with identity.read() as connection:
            owner = people.album_owners(connection, [str(number)]).get(str(number))
            stored = people.records_of(connection, [str(scan.os_ids[place]) for place in places])
        claims = []
        for place in places:
            record = stored.get(str(scan.os_ids[place]))
            text = _good_claim(scan.texts(place), number, context)
            if text is not None:
                is_owner = record is not None and record.person_id == owner
                claims.append(Claim(place, scan.os_ids[place], text, is_owner))
        refused |= contest(claims)
        if most_bad is not None and len(refused) > most_bad:
            reasons = Counts()
            reasons.quarantined.update(reason.value for reason in refused.values())
            raise too_many_bad_rows(reasons.quarantined, scan.rows)
    return refused


def _good_claim(rows: Iterable[tuple[int, str]], number: int, context: Context) -> str | None:
    """Return the album as the good rows write it; a bad row claims nothing."""
    written = set()
    for line, text in rows:
        try:
            fields = split(text)
            album = read_row(line, fields, read_stamp(fields, context.rules), context.rules).identity.album
        except BadRow:
            continue
        if album is not None and int(album) == number:
            written.add(album)
    return min(written, default=None)  # of two ways to write it the same one, whatever the order of the rows


def _count(counts: Counts, decision: Decision) -> None:
    counts.added += decision.add is not None
    counts.changed += bool(decision.fields)
    counts.stale_rows += decision.stale
    counts.who_changed += decision.changes_who
    counts.access_lost += decision.takes_access
    counts.fields.update(decision.fields)
    counts.quarantined.update(one.reason for one in decision.quarantined)
    counts.remarks.update(remark.value for remark in decision.remarks)
