"""Import an export: validate the file, scan it, evaluate its people, then write them.

Nothing is written before the whole file has been judged, and each transaction leaves its people as they were or as the
file says: a kill at any moment is harmless, the next import of the same file finishes the work.
"""

import tempfile
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

import msgspec

from idp.audit import event_types
from idp.audit.events import Event, new_id, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.errors import RefusedSource
from idp.keys.key_files import Keys
from idp.people import queries as people
from idp.people.names import without_control_characters
from idp.people.status import AccessPolicy, local_date
from idp.permissions import Actor, Permission
from idp.registry import guards
from idp.registry import queries as registry
from idp.registry.decisions import Context, Decision
from idp.registry.evaluate import evaluate, frames
from idp.registry.export_file import ExportFile, OpenFile, Progress, open_export, refuse_if_changed, validate_file
from idp.registry.reasons import Refusal
from idp.registry.results import Counts, ImportResult
from idp.registry.rows import Rules
from idp.registry.scan import Scan, scan_file
from idp.registry.settings import RegistrySettings
from idp.registry.writing import ImportRun, write

RULES_VERSION: Final = "1"
"""Increase it when the rules for rows change, so that unchanged rows are evaluated once more."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def import_file(
    databases: Databases,
    keys: Keys,
    settings: RegistrySettings,
    policy: AccessPolicy,
    clock: Clock,
    zone: ZoneInfo,
    file: Path,
    *,
    delta: bool,
    actor: Actor,
    accept: Collection[Refusal] = (),
    progress: Progress = silent,
) -> ImportResult:
    """Import an export and return what it changed.

    Shape:   delta: the file holds only changes; accept: limits that this import may exceed
    Raises:  NotAllowed; RefusedSource: nothing was imported; Conflict: another import is running
    Effect:  people, enrolments, accounts, assigned identifiers, quarantine, person_change, events; a repeat changes
             nothing
    """
    actor.require(Permission.RECORDS_IMPORT)
    run = ImportRun(new_id(), "", delta, actor.actor_id)
    order = _Order(databases, keys, settings, policy, clock, zone, file, run, frozenset(accept), progress)
    with exclusive(databases, "registry-import"):
        _begin(order)
        try:
            with open_export(file) as opened:
                order = replace(order, run=msgspec.structs.replace(run, digest=opened.digest))
                return _take(order, opened)
        except RefusedSource as refusal:
            _note_refusal(order, refusal)
            raise


@dataclass(frozen=True, slots=True)
class _Order:
    """What one import needs on its way."""

    databases: Databases
    keys: Keys
    settings: RegistrySettings
    policy: AccessPolicy
    clock: Clock
    zone: ZoneInfo
    file: Path
    run: ImportRun
    accept: frozenset[Refusal]
    progress: Progress

    @property
    def file_name(self) -> str:
        """The file's name without its folder, in valid Unicode and without control characters."""
        return without_control_characters(self.file.name)

    def context(self, now: datetime) -> Context:
        """Return the context of decisions. The whole import uses one moment."""
        believed_until = now + timedelta(seconds=self.settings.clock_skew_s)
        return Context(Rules(local_date(now, self.zone), believed_until, self.keys.mac), self.policy, self.keys.seal)

    def most_bad_rows(self, rows: int) -> int | None:
        """Return how many rows may be bad. None: any number, because an operator accepted it."""
        if Refusal.TOO_MANY_BAD_ROWS in self.accept:
            return None
        return guards.most_bad_rows(self.settings, rows)

    def refuse(self, refusals: Iterable[RefusedSource]) -> None:
        """Raise the first refusal that the operator has not accepted."""
        for refusal in refusals:
            if refusal.reason not in self.accept:
                raise refusal


def _begin(order: _Order) -> None:
    run = order.run
    with order.databases.identity.write() as connection:
        registry.begin_run(connection, run.import_id, order.file_name, run.is_delta, run.actor, order.clock.now())


def _take(order: _Order, opened: OpenFile) -> ImportResult:
    started_at = order.clock.now()
    context, settings = order.context(started_at), order.settings
    with tempfile.TemporaryFile() as spool:
        source = validate_file(opened, order.file_name, order.progress)
        scan = _scan(order, source, context.rules.believed_until)
        most_bad = order.most_bad_rows(scan.rows)
        identity = order.databases.identity
        counts = evaluate(scan, identity, context, settings.chunk_people, most_bad, spool, order.progress)
        order.refuse(guards.identity_changes(settings, counts.who_changed, scan.stored))
        order.refuse(guards.mass_changes(settings, counts, _known(order, scan)))
        refuse_if_changed(source)
        _write(order, scan, spool, counts)
    return _finish(order, scan, counts, started_at)


def _known(order: _Order, scan: Scan) -> int:
    """Return the number of people that shares refer to. A file of changes holds only those who changed."""
    if not order.run.is_delta:
        return scan.stored
    with order.databases.identity.read() as connection:
        return people.count_people(connection)


def _scan(order: _Order, source: ExportFile, believed_until: datetime) -> Scan:
    """Return what the file holds and whose rows must be evaluated."""
    row_key = bytes.fromhex(order.keys.mac("registry-rows", RULES_VERSION))
    scan = scan_file(source, row_key, believed_until, order.most_bad_rows(source.lines), order.progress)
    with order.databases.identity.read() as connection:
        last = registry.last_full_run(connection)
        if last is not None and not order.run.is_delta:  # before its age: the newest row may be missing
            order.refuse(guards.missing_people(order.settings, scan.people, last.people))
        newest_before = registry.newest_row_taken(connection)
        order.refuse(guards.too_old(order.settings, scan.newest, newest_before, order.clock.now()))
        if order.run.is_delta:
            scan.compare(people.digests_of(connection, [str(os_id) for os_id in scan.os_ids]))
        else:
            scan.compare(people.stream_digests(connection))
    if last is not None:
        rows, fill = scan.fill_of_known() if order.run.is_delta else (scan.rows, scan.fill)
        order.refuse(guards.emptied_columns(order.settings, rows, fill, last.fill))
    return scan


def _write(order: _Order, scan: Scan, spool: BinaryIO, counts: Counts) -> None:
    """Write the decisions, one transaction per frame of the spool."""
    decoder = msgspec.msgpack.Decoder(list[Decision])
    done = scan.people - scan.same.count(0)
    for frame in frames(spool):
        decisions = decoder.decode(frame)
        with order.databases.identity.write() as connection:
            write(connection, order.clock.now(), order.run, decisions, counts)
        done += len(decisions)
        order.progress("writing", min(done, scan.people), scan.people)


def _finish(order: _Order, scan: Scan, counts: Counts, started_at: datetime) -> ImportResult:
    run, at = order.run, order.clock.now()
    with order.databases.identity.write() as connection:
        same = registry.last_run_of(connection, run.digest)
        keep_from = at - timedelta(days=order.settings.quarantine_days)
        counts.resolved += registry.purge_unseen(connection, run.import_id, nameless=not run.is_delta, before=keep_from)
        result = _result(run, scan, counts, same.import_id if same else None, (at - started_at).total_seconds())
        registry.end_run(
            connection,
            run.import_id,
            at,
            state=registry.DONE,
            file_digest=run.digest,
            people=scan.people,
            fill=scan.fill,
            newest_at=scan.newest,
            counts=asdict(result),
        )
        event = Event(event_types.REGISTRY_IMPORTED, run.import_id, run.actor, data=asdict(result))
        record(connection, at.timestamp(), event)
    return result


def _result(run: ImportRun, scan: Scan, counts: Counts, same: str | None, seconds: float) -> ImportResult:
    return ImportResult(
        import_id=run.import_id,
        file=scan.source.name,
        digest=run.digest,
        is_delta=run.is_delta,
        same_file_as=same,
        rows=scan.rows,
        people=scan.people,
        added=counts.added,
        changed=counts.changed,
        unchanged=scan.stored - counts.changed,
        absent=0 if run.is_delta else scan.stored_in_all - scan.stored,
        stale_rows=counts.stale_rows,
        quarantined_rows=counts.bad_rows,
        quarantined=dict(counts.quarantined.most_common()),
        resolved_rows=counts.resolved,
        changed_fields=dict(counts.fields.most_common()),
        remarks=dict(counts.remarks.most_common()),
        same_pesel=counts.same_pesel,
        duration_s=round(seconds, 3),
    )


def _note_refusal(order: _Order, refusal: RefusedSource) -> None:
    run, at = order.run, order.clock.now()
    data = {"file": order.file_name, "digest": run.digest, "delta": run.is_delta, "why": str(refusal)}
    event = Event(event_types.REGISTRY_REFUSED, run.import_id, run.actor, reason=refusal.reason, data=data)
    with order.databases.identity.write() as connection:
        registry.end_run(
            connection, run.import_id, at, state=registry.REFUSED, reason=refusal.reason, file_digest=run.digest
        )
        record(connection, at.timestamp(), event)
