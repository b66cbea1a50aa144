"""Runs: plans as they were made, what became of each change, and what was found that nobody may change."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Executable,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from idp.db.bulk import as_bound, insert_rows, run_many
from idp.provisioning.tables import change, finding, run, run_approval

# Kind of run.
SYNC, UNDO, MERGE = "sync", "undo", "merge"
# State of a run. Made: planned, or waiting for people because it is over a limit. Approved: to be carried out, by
# whoever comes first. Applying: at work; one run at a time (`ix_run_at_work`). Incomplete: something is left for
# another attempt at `due_at`. Applied, cancelled and stale (its world moved) are ends.
PLANNING, PLANNED, WAITING, APPROVED, APPLYING = "planning", "planned", "waiting", "approved", "applying"
APPLIED, INCOMPLETE, PAUSED, CANCELLED, STALE = "applied", "incomplete", "paused", "cancelled", "stale"
ENDS = (APPLIED, CANCELLED, STALE)
# Who carries a run that is at work: a command in its own process, or the workers by the engine.
BY_COMMAND, BY_ENGINE = "command", "engine"
# Change. Moved: what is desired changed after the plan was made; the next plan sees to it.
OPEN, DONE, REJECTED, UNVERIFIED, MOVED = "open", "done", "rejected", "unverified", "moved"


BATCH = 1000
CHUNK = 1000  # changes per portion, unless a run says otherwise


@dataclass(frozen=True, slots=True)
class Over:
    """One limit that a plan is over, as it was when the plan was made."""

    target: str
    kind: str  # of change
    count: int
    population: int
    limit: int
    before: int = 0  # other people in whom runs that nobody approved did the same in the day before


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """One target's part of a plan."""

    population: int  # entries of ours that it held
    counts: Mapping[str, int] = field(default_factory=dict)  # by kind of change
    findings: int = 0
    unread: str = ""  # why it could not be read, so that nothing is planned in it


@dataclass(frozen=True, slots=True)
class Run:
    """One plan and how far it is."""

    run_id: str
    state: str
    created_at: datetime
    created_by: str
    digest: str
    summary: Mapping[str, TargetSummary]  # by target
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    kind: str = SYNC
    over: tuple[Over, ...] = ()
    undoes: str | None = None
    chunk: int = CHUNK
    asked_by: str = ""
    attempt: int = 0
    carried_by: str = ""
    progress_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def changes(self) -> int:
        """How many changes it has."""
        return sum(sum(part.counts.values()) for part in self.summary.values())

    @property
    def unread(self) -> str:
        """Why a target has no part in it although it may need one, or ""."""
        return next((part.unread for part in self.summary.values() if part.unread), "")

    @property
    def goes_on(self) -> bool:
        """Whether it writes, or will by itself."""
        return self.state in (APPROVED, APPLYING) or (self.state == INCOMPLETE and self.due_at is not None)


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change as stored."""

    number: int
    target: str
    person_id: str
    kind: str
    name: str
    before: str | None  # JSON
    after: str | None
    reason: str
    desired: str | None
    mark: str
    state: str = OPEN
    error: str = ""


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as stored."""

    number: int
    target: str
    person_id: str
    name: str
    what: str


def begin_plan(
    connection: Connection,
    run_id: str,
    at: datetime,
    actor: str,
    *,
    kind: str = SYNC,
    undoes: str | None = None,
    chunk: int = CHUNK,
) -> None:
    """Note that a plan is being made; until `end_plan` nobody can apply it.

    Effect:  drafts that were never sealed are deleted: one plan is made at a time, so whoever made them has failed
    """
    _delete(connection, connection.execute(select(run.c.run_id).where(run.c.state == PLANNING)).scalars().all())
    connection.execute(
        insert(run).values(
            run_id=run_id,
            kind=kind,
            state=PLANNING,
            created_at=at,
            created_by=actor,
            digest="",
            summary="{}",
            over="[]",
            undoes=undoes,
            chunk=chunk,
            asked_by="",
            attempt=0,
            carried_by="",
            error="",
        )
    )


def add_to_plan(
    connection: Connection, run_id: str, changes: Sequence[ChangeRow], findings: Sequence[FindingRow]
) -> None:
    """Write a portion of a plan."""
    insert_rows(connection, change, ("run_id", *_CHANGE_COLUMNS), ((run_id, *_values(row)) for row in changes))
    insert_rows(connection, finding, ("run_id", *_FINDING_COLUMNS), ((run_id, *_values(row)) for row in findings))


def empty_plan(connection: Connection, run_id: str) -> None:
    """Take everything out of a plan that is being made, to make it anew."""
    for table in (change, finding):
        connection.execute(delete(table).where(table.c.run_id == run_id))


def end_plan(
    connection: Connection,
    run_id: str,
    digest: str,
    summary: Mapping[str, TargetSummary],
    over: Sequence[Over] = (),
) -> None:
    """Seal a plan: from now on it is what it is. One that is over a limit waits for people."""
    parts = {target: _columns(part) for target, part in summary.items()}
    connection.execute(
        update(run)
        .where(run.c.run_id == run_id)
        .values(
            state=WAITING if over else PLANNED,
            digest=digest,
            summary=json.dumps(parts),
            over=json.dumps([_columns(one) for one in over]),
        )
    )


def load_run(connection: Connection, run_id: str, *, alone: bool = False) -> Run | None:
    """Return one run; `alone`: nobody else who asks so has it before this transaction ends."""
    query = select(run).where(run.c.run_id == run_id)
    # On SQLite, which knows no such clause, whoever writes is alone anyway.
    row = connection.execute(query.with_for_update() if alone else query).one_or_none()
    return None if row is None else _run(row)


def runs_beginning(connection: Connection, text: str, most: int) -> list[Run]:
    """Return the runs whose number begins so, `most` at most."""
    query = select(run).where(run.c.run_id.startswith(text, autoescape=True)).order_by(run.c.run_id).limit(most)
    return [_run(row) for row in connection.execute(query)]


def last_runs(connection: Connection, limit: int = 1) -> list[Run]:
    """Return the latest finished or unfinished runs, the newest first; abandoned plans left out."""
    rows = connection.execute(select(run).where(run.c.state != PLANNING).order_by(run.c.run_id.desc()).limit(limit))
    return [_run(row) for row in rows]


def last_applied(connection: Connection) -> Run | None:
    """Return the run that was applied last."""
    row = connection.execute(
        select(run).where(run.c.started_at.is_not(None)).order_by(run.c.started_at.desc()).limit(1)
    ).one_or_none()
    return None if row is None else _run(row)


def set_state(
    connection: Connection,
    run_id: str,
    state: str,
    *,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
    error: str = "",
) -> None:
    """Say how far a run is."""
    values: dict[str, Any] = {"state": state, "error": error[:500], "finished_at": finished_at}
    if started_at is not None:
        values["started_at"] = started_at
    connection.execute(update(run).where(run.c.run_id == run_id).values(values))


def move(connection: Connection, run_id: str, from_: Collection[str], to: str, **values: Any) -> bool:
    """Return whether a run was in one of some states and is now in another: of several who try, one succeeds."""
    moved = connection.execute(
        update(run).where(run.c.run_id == run_id, run.c.state.in_(from_)).values(state=to, **values)
    )
    return moved.rowcount == 1


def take_up(
    connection: Connection, run_id: str, from_: Collection[str], attempt: int, carried_by: str, at: datetime
) -> bool:
    """Begin attempt `attempt` + 1 of a run: True for one of all who try, and never while another run is at work.

    Effect:  whoever carries the attempt before stops at its next batch
    """
    if at_work(connection) not in (None, run_id):
        return False
    taken = update(run).where(run.c.run_id == run_id, run.c.state.in_(from_), run.c.attempt == attempt)
    try:
        with connection.begin_nested():
            row = connection.execute(
                taken.values(
                    state=APPLYING,
                    attempt=attempt + 1,
                    carried_by=carried_by,
                    started_at=func.coalesce(run.c.started_at, at),
                    progress_at=at,
                    due_at=None,
                    finished_at=None,
                    error="",
                )
            )
    except IntegrityError:  # `ix_run_at_work`: another run was quicker
        return False
    return row.rowcount == 1


def end_attempt(connection: Connection, run_id: str, attempt: int, state: str, **values: Any) -> bool:
    """Write how an attempt ended; False when somebody paused, cancelled or took over the run meanwhile."""
    mine = update(run).where(run.c.run_id == run_id, run.c.attempt == attempt, run.c.state == APPLYING)
    if "error" in values:
        values["error"] = values["error"][:500]
    return connection.execute(mine.values(state=state, carried_by="", **values)).rowcount == 1


def skip_attempt(connection: Connection, run_id: str, attempt: int) -> None:
    """Count an attempt that ended before it began, so that the next one has another number."""
    idle = update(run).where(run.c.run_id == run_id, run.c.attempt == attempt - 1, run.c.state != APPLYING)
    connection.execute(idle.values(attempt=attempt))


def at_work(connection: Connection) -> str | None:
    """Return the run that is being carried out now."""
    return connection.execute(select(run.c.run_id).where(run.c.state == APPLYING)).scalar_one_or_none()


def pulse(connection: Connection, run_id: str, attempt: int, at: datetime) -> bool:
    """Note progress of an attempt, and return whether it is to go on: nobody paused, cancelled or took it over."""
    going = update(run).where(run.c.run_id == run_id, run.c.attempt == attempt, run.c.state == APPLYING)
    return connection.execute(going.values(progress_at=at)).rowcount == 1


def is_going(connection: Connection, run_id: str, attempt: int) -> bool:
    """Return whether this attempt is to go on."""
    found = select(run.c.run_id).where(run.c.run_id == run_id, run.c.attempt == attempt, run.c.state == APPLYING)
    return connection.execute(found).scalar_one_or_none() is not None


def undo_of(connection: Connection, run_id: str) -> str | None:
    """Return the run that takes this one back, if one was ever asked for and not cancelled."""
    begun = (APPROVED, APPLYING, INCOMPLETE, PAUSED, APPLIED)
    query = select(run.c.run_id).where(run.c.undoes == run_id, run.c.kind == UNDO, run.c.state.in_(begun))
    return connection.execute(query.limit(1)).scalar_one_or_none()


def runs_in(connection: Connection, states: Collection[str]) -> list[Run]:
    """Return all runs in some states, the oldest first."""
    return [_run(row) for row in connection.execute(select(run).where(run.c.state.in_(states)).order_by(run.c.run_id))]


def changes_of(
    connection: Connection,
    run_id: str,
    *,
    after: int = -1,
    limit: int = BATCH,
    upto: int | None = None,
    state: str | None = None,
    target: str | None = None,
    kinds: Collection[str] | None = None,
    person_ids: Collection[str] | None = None,
    of_entries: bool = False,
) -> list[ChangeRow]:
    """Return the next changes of a run, in order, numbered above `after`; `of_entries`: that were there before."""
    query = select(*(change.c[name] for name in _CHANGE_COLUMNS)).where(
        change.c.run_id == run_id, change.c.number > after
    )
    if state is not None:
        query = query.where(change.c.state == state)
    if target is not None:
        query = query.where(change.c.target == target)
    if upto is not None:
        query = query.where(change.c.number <= upto)
    if kinds is not None:
        query = query.where(change.c.kind.in_(kinds))
    if person_ids is not None:
        query = query.where(change.c.person_id.in_(person_ids))
    if of_entries:
        query = query.where(change.c.before.is_not(None))
    return [ChangeRow(*row) for row in connection.execute(query.order_by(change.c.number).limit(limit))]


def changes_numbered(connection: Connection, run_id: str, numbers: Sequence[int]) -> list[ChangeRow]:
    """Return some changes of a run, in order."""
    columns = (change.c[name] for name in _CHANGE_COLUMNS)
    query = select(*columns).where(change.c.run_id == run_id, change.c.number.in_(numbers)).order_by(change.c.number)
    return [ChangeRow(*row) for row in connection.execute(query)]


def findings_of(connection: Connection, run_id: str, limit: int = BATCH) -> list[FindingRow]:
    """Return the first findings of a run."""
    rows = connection.execute(select(finding).where(finding.c.run_id == run_id).order_by(finding.c.number).limit(limit))
    return [FindingRow(row.number, row.target, row.person_id, row.name, row.what) for row in rows]


def count_changes(connection: Connection, run_id: str) -> dict[str, int]:
    """Return how many changes of a run are in each state."""
    rows = connection.execute(
        select(change.c.state, func.count()).where(change.c.run_id == run_id).group_by(change.c.state)
    )
    return {row[0]: row[1] for row in rows}


def count_by_target(connection: Connection, run_id: str) -> dict[str, dict[str, int]]:
    """Return by target how many changes of a run are in each state."""
    query = select(change.c.target, change.c.state, func.count()).where(change.c.run_id == run_id)
    found: dict[str, dict[str, int]] = {}
    for target, state, count in connection.execute(query.group_by(change.c.target, change.c.state)):
        found.setdefault(target, {})[state] = count
    return found


_CREATE = "create"  # a kind of change; those of a first load are free
_WRITTEN = (DONE, UNVERIFIED)


# As `Run.goes_on`.
_GOES_ON = run.c.state.in_((APPROVED, APPLYING)) | ((run.c.state == INCOMPLETE) & run.c.due_at.is_not(None))


def people_done(connection: Connection, run_id: str, maker: str, since: datetime) -> dict[str, dict[str, int]]:
    """Return by target and kind in how many people `maker`'s runs changed something since then, besides those of a run.

    Shape:   what a run that goes on has yet to change counts as changed
             left out: runs that people approved, and the entries that a first load makes
    """
    made = (run.c.created_by == maker) & (run.c.over == "[]") & ((run.c.progress_at >= since) | _GOES_ON)
    ids: list[str] = []
    pending: list[str] = []
    loads: list[tuple[str, str]] = []  # (run_id, target)
    for other, summary, goes_on in connection.execute(select(run.c.run_id, run.c.summary, _GOES_ON).where(made)):
        if goes_on:
            pending.append(other)
        parts = {target: TargetSummary(**part) for target, part in json.loads(summary).items()}
        loaded = [target for target, part in parts.items() if part.population == 0 and part.counts.get(_CREATE)]
        loads += [(other, target) for target in loaded]
        if any(part.counts.keys() - ({_CREATE} if target in loaded else set()) for target, part in parts.items()):
            ids.append(other)
    its_own = change.alias()
    counted = select(change.c.target, change.c.kind, func.count(change.c.person_id.distinct())).where(
        change.c.run_id.in_(ids),
        (change.c.state.in_(_WRITTEN) & (change.c.done_at >= since))
        | ((change.c.state == OPEN) & change.c.run_id.in_(pending)),
        ~((change.c.kind == _CREATE) & tuple_(change.c.run_id, change.c.target).in_(loads)),
        ~exists().where(
            its_own.c.run_id == run_id,
            its_own.c.target == change.c.target,
            its_own.c.kind == change.c.kind,
            its_own.c.person_id == change.c.person_id,
        ),
    )
    found: dict[str, dict[str, int]] = {}
    for target, kind, count in connection.execute(counted.group_by(change.c.target, change.c.kind)):
        found.setdefault(target, {})[kind] = count
    return found


def open_portions(
    connection: Connection, run_id: str, target: str, kinds: Collection[str] | None, size: int
) -> list[int]:
    """Return which portions have open changes in a target: portion n has the numbers n*size+1 to (n+1)*size."""
    portion = ((change.c.number - 1) // size).label("portion")
    query = select(portion).where(change.c.run_id == run_id, change.c.state == OPEN, change.c.target == target)
    if kinds is not None:
        query = query.where(change.c.kind.in_(kinds))
    return list(connection.execute(query.distinct().order_by(portion)).scalars())


# Who is desired otherwise lies in other tables, whose modules know nothing of runs.
_MOVED = (
    "SELECT DISTINCT c.person_id, c.name FROM change c"
    " LEFT JOIN target_state s ON s.target = c.target AND s.person_id = c.person_id"
    " LEFT JOIN dirty d ON d.person_id = c.person_id WHERE c.run_id = :run AND c.state = 'open' AND"
)
_OTHERWISE = _MOVED + " c.desired IS NOT NULL AND (s.desired IS NULL OR s.desired <> c.desired)"
_DESIRED_OTHERWISE = text(_OTHERWISE + " ORDER BY c.person_id")
_ANY_OTHERWISE = text(_OTHERWISE + " LIMIT 1")
_MARKED_SINCE = text(_MOVED + " d.mark IS NOT NULL AND d.mark <> c.mark ORDER BY c.person_id")


def desired_otherwise(connection: Connection, run_id: str) -> list[tuple[str, str]]:
    """Return (person_id, name) of open changes whose person should be otherwise by now."""
    return [(row[0], row[1]) for row in connection.execute(_DESIRED_OTHERWISE, {"run": run_id})]


def is_desired_otherwise(connection: Connection, run_id: str) -> bool:
    """Return whether there is anybody with an open change who should be otherwise by now."""
    return connection.execute(_ANY_OTHERWISE, {"run": run_id}).first() is not None


def marked_since(connection: Connection, run_id: str) -> Iterator[str]:
    """Yield people with open changes whose records changed since, so that somebody must look what is desired now."""
    return _streamed(connection, _MARKED_SINCE, {"run": run_id})


# With a mark that came while the plan was made, something may be open in a target whose part was made before.
_CLEAR_SETTLED = text(
    "DELETE FROM dirty WHERE mark IN (SELECT mark FROM change WHERE run_id = :run)"
    " AND person_id NOT IN (SELECT person_id FROM change WHERE run_id = :run AND state <> 'done')"
    " AND person_id NOT IN (SELECT c.person_id FROM change c JOIN target_state s ON s.person_id = c.person_id"
    " WHERE c.run_id = :run AND s.target IN :targets"
    " AND (s.applied <> s.desired OR (s.applied IS NULL AND NOT s.only_if_present))"
    " AND (s.quarantined IS NULL OR s.quarantined <> s.desired))"
).bindparams(bindparam("targets", expanding=True))


def clear_settled_marks(connection: Connection, run_id: str, targets: Collection[str]) -> None:
    """Take people off the list of those to look at in whom a run did everything, and who are as desired in `targets`.

    Effect:  a mark that was renewed since the plan stays
    """
    connection.execute(_CLEAR_SETTLED, {"run": run_id, "targets": list(targets)})


def people_in(connection: Connection, run_id: str) -> Iterator[str]:
    """Yield whom a run has open changes of, sorted."""
    query = select(change.c.person_id).where(change.c.run_id == run_id, change.c.state == OPEN)
    return _streamed(connection, query.distinct().order_by(change.c.person_id))


def _streamed(connection: Connection, query: Executable, parameters: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the first column, some rows at a time."""
    # Closed in any case: a cursor that the server still holds must not be left to the garbage collector.
    with connection.execute(query, parameters, execution_options={"yield_per": BATCH}) as rows:
        for row in rows:
            yield row[0]


def people_among(connection: Connection, run_ids: Collection[str], person_ids: Collection[str]) -> set[str]:
    """Return those of some people whom any of these runs has open changes of."""
    theirs = change.c.run_id.in_(run_ids) & change.c.person_id.in_(person_ids) & (change.c.state == OPEN)
    return set(connection.execute(select(change.c.person_id).where(theirs)).scalars())


_OTHERWISE_AMONG = text(
    "SELECT DISTINCT c.person_id FROM change c"
    " LEFT JOIN target_state s ON s.target = c.target AND s.person_id = c.person_id"
    " WHERE c.run_id IN :runs AND c.person_id IN :people AND c.state = 'open'"
    " AND c.desired IS NOT NULL AND (s.desired IS NULL OR s.desired <> c.desired)"
).bindparams(bindparam("runs", expanding=True), bindparam("people", expanding=True))


def kept_among(connection: Connection, run_ids: Collection[str], person_ids: Collection[str]) -> set[str]:
    """Return those of some people whom any of these runs has open changes of, and all as they are desired now."""
    values = {"runs": list(run_ids), "people": list(person_ids)}
    otherwise = connection.execute(_OTHERWISE_AMONG, values).scalars()
    return people_among(connection, run_ids, person_ids) - set(otherwise)


def count_open(connection: Connection, run_id: str, target: str, most: int) -> int:
    """Return how many changes of a run are open in a target, counting no further than `most`."""
    mine = (change.c.run_id == run_id) & (change.c.state == OPEN) & (change.c.target == target)
    return len(connection.execute(select(change.c.number).where(mine).limit(most)).all())


def passed_by_others(connection: Connection, run_id: str, target: str, numbers: Collection[int]) -> set[int]:
    """Return those of a run's open changes since whose last try the target took others, of this run or a later one."""
    other = change.alias()
    later = select(other.c.number).where(
        other.c.run_id >= run_id, other.c.state == DONE, other.c.target == target, other.c.done_at > change.c.done_at
    )
    mine = (change.c.run_id == run_id) & change.c.number.in_(numbers)
    return set(connection.execute(select(change.c.number).where(mine, later.exists())).scalars())


def any_before(connection: Connection, then: datetime) -> bool:
    """Return whether there is a run that was made before a moment and may be deleted."""
    old = select(run.c.run_id).where(run.c.created_at < then, run.c.state != APPLYING).limit(1)
    return connection.execute(old).one_or_none() is not None


def forget_runs(connection: Connection, before: datetime, limit: int) -> int:
    """Delete the oldest runs that were made before a moment and are not at work, and return how many."""
    old = select(run.c.run_id).where(run.c.created_at < before, run.c.state != APPLYING)
    ids = connection.execute(old.order_by(run.c.run_id).limit(limit)).scalars().all()
    _delete(connection, ids)
    return len(ids)


def _delete(connection: Connection, run_ids: Sequence[str]) -> None:
    for table in (change, finding, run_approval, run):
        connection.execute(delete(table).where(table.c.run_id.in_(run_ids)))


def settle(connection: Connection, run_id: str, at: datetime, settled: Iterable[tuple[int, str, str]]) -> None:
    """Say what became of changes, for each (number, state, error)."""
    bound = as_bound(connection, change.c.done_at, at)
    run_many(
        connection,
        "UPDATE change SET state = ?, error = ?, done_at = ? WHERE run_id = ? AND number = ?",
        ((state, error[:500], bound, run_id, number) for number, state, error in settled),
    )


def _run(row: Any) -> Run:
    values = {name: getattr(row, name) for name in Run.__dataclass_fields__}
    summary = {target: TargetSummary(**part) for target, part in json.loads(row.summary).items()}
    over = tuple(Over(**one) for one in json.loads(row.over))
    return Run(**{**values, "summary": summary, "over": over})


_CHANGE_COLUMNS = tuple(ChangeRow.__dataclass_fields__)
_FINDING_COLUMNS = tuple(FindingRow.__dataclass_fields__)


def _values(row: ChangeRow | FindingRow) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row.__dataclass_fields__)


def _columns(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
