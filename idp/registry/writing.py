"""Write decisions: people and all that follows from their change, in one transaction."""

import random
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, new_id, record_all
from idp.people import queries as people
from idp.people.change_queries import queue_recompute
from idp.people.identifiers import new_uid
from idp.people.queries import NewPerson, PersonUpdate
from idp.registry import queries as registry
from idp.registry.decisions import Decision
from idp.registry.duplicates import queue_duplicates
from idp.registry.results import Counts

_RANDOM = random.SystemRandom()


class ImportRun(msgspec.Struct, frozen=True):
    """The import that writes, for provenance and events."""

    import_id: str
    digest: str  # of the file
    is_delta: bool
    actor: str


def write(connection: Connection, at: datetime, run: ImportRun, decisions: Sequence[Decision], counts: Counts) -> None:
    """Write people, accounts, names, quarantine, marks for provisioning and events of some decisions.

    Effect:  all in the caller's transaction; adds to `counts` what only the store knows
    """
    added = _with_names(connection, [decision.add for decision in decisions if decision.add is not None])
    known = [(decision, decision.update) for decision in decisions if decision.update is not None]
    people.add_people(connection, added, run.import_id, at)
    people.change_people(connection, [update for _, update in known], run.import_id, at)
    changed = [(decision, update) for decision, update in known if decision.fields or decision.access]
    _follow(connection, at, changed)
    queue_recompute(connection, [new.person_id for new in added] + [update.person_id for _, update in changed])
    _write_quarantine(connection, at, run, decisions, counts)
    record_all(connection, at.timestamp(), _person_events(run, added, changed))
    _record_same_pesel(connection, at, run, decisions, counts)
    queue_duplicates(connection, at, _possible_duplicates(added, decisions), run.actor)


def _follow(connection: Connection, at: datetime, changed: Iterable[tuple[Decision, PersonUpdate]]) -> None:
    """Write assigned identifiers and accounts' names after what changed.

    The right to sign in follows in a guarded run, so that a wrong file closes nobody's account.
    """
    changed = list(changed)
    albums = {update.person_id: decision.first_album for decision, update in changed if decision.first_album}
    people.give_albums(connection, albums, at)
    names = {update.person_id: update.identity.display_name for decision, update in changed if decision.fields}
    people.rename_accounts(connection, names)


def _with_names(connection: Connection, fresh: Sequence[NewPerson]) -> list[NewPerson]:
    """Return new people with keys of ours and with uids that nobody ever had."""
    uids: set[str] = set()
    while len(uids) < len(fresh):
        more = {new_uid(_RANDOM) for _ in range(len(fresh) - len(uids))}
        uids |= more - people.uids_given_among(connection, more)
    return [
        msgspec.structs.replace(new, person_id=uuid.uuid4().hex, uid=uid) for new, uid in zip(fresh, uids, strict=True)
    ]


def _write_quarantine(
    connection: Connection, at: datetime, run: ImportRun, decisions: Sequence[Decision], counts: Counts
) -> None:
    """Quarantine bad rows, and delete rows that this file resolves."""
    rows = [row for decision in decisions for row in decision.quarantined]
    registry.quarantine_rows(connection, rows, run.import_id, run.digest, at, iter(new_id, ""))
    people.forget_digests(connection, [one.os_id for one in decisions if one.recheck and one.os_id])
    spoken_of = {one.os_id: one for one in decisions if one.os_id and (one.resolved or one.quarantined)}
    with_rows = registry.people_in_quarantine(connection, list(spoken_of))
    if not run.is_delta:  # a full file has all rows of a person
        counts.resolved += registry.resolve(connection, with_rows, run.import_id, None)
        return
    for os_id in with_rows:
        programmes = {*spoken_of[os_id].resolved, *(row.programme for row in spoken_of[os_id].quarantined)}
        counts.resolved += registry.resolve(connection, [os_id], run.import_id, programmes)


def _person_events(
    run: ImportRun, added: Iterable[NewPerson], changed: Iterable[tuple[Decision, PersonUpdate]]
) -> Iterable[Event]:
    for new in added:
        source = {"import": run.import_id, "line": new.line}
        yield Event(event_types.PERSON_ADDED, new.person_id, run.actor, data=source | {"access": new.access.value})
    for decision, update in changed:
        data: dict[str, object] = {"import": run.import_id, "line": update.line, "fields": list(decision.fields)}
        if decision.access is not None:
            data["access"] = decision.access.value
        yield Event(event_types.PERSON_CHANGED, update.person_id, run.actor, data=data)


def _possible_duplicates(added: Iterable[NewPerson], decisions: Iterable[Decision]) -> list[tuple[str, str]]:
    new_ids = {new.os_id: new.person_id for new in added}
    return [
        (other, person_id)
        for decision in decisions
        for other in decision.duplicate_of
        if (person_id := decision.stored_as or new_ids.get(decision.os_id))
    ]


def _record_same_pesel(
    connection: Connection, at: datetime, run: ImportRun, decisions: Iterable[Decision], counts: Counts
) -> None:
    """Record who now shares a PESEL with somebody else. Both stay: only a human can tell whether they are one."""
    fresh = {decision.new_pesel for decision in decisions if decision.new_pesel}
    groups = people.sharing_pesel(connection, fresh) if fresh else {}
    counts.same_pesel += len(groups)
    record_all(
        connection,
        at.timestamp(),
        (
            Event(event_types.PERSON_SAME_PESEL, group[-1], run.actor, data={"others": group[:-1]})
            for group in groups.values()
        ),
    )
