"""Runs: plans as they were made, what became of each change, and what was found that nobody may change."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from idp.store.base import UtcDateTime, identity_metadata

# Kind of run.
SYNC, LOAD, UNDO, MERGE = "sync", "load", "undo", "merge"
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

_AT_WORK = text("state = 'applying'")

run = Table(
    "run",
    identity_metadata,
    Column("run_id", String(32), primary_key=True),  # sorts by time of making
    Column("kind", String(8), nullable=False),
    Column("state", String(12), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 over all changes in order: this very plan
    Column("summary", Text, nullable=False),  # JSON by target: population, counts by kind, findings
    Column("over", Text, nullable=False),  # JSON: what was over which limit when the plan was made
    Column("undoes", String(32)),  # the run that this one takes back
    Column("chunk", Integer, nullable=False),  # changes per portion that one worker takes
    Column("asked_by", String(64), nullable=False),  # who had it carried out
    Column("attempt", Integer, nullable=False),  # counts up with each start: an older one stops
    Column("carried_by", String(8), nullable=False),  # while it is at work
    Column("started_at", UtcDateTime),
    Column("progress_at", UtcDateTime),  # when a batch was last noted
    Column("due_at", UtcDateTime),  # of the next attempt of an incomplete run; NULL: when somebody asks
    Column("finished_at", UtcDateTime),
    Column("error", String(500), nullable=False),  # why it stopped, when it did
    # The database itself lets one run alone be at work, whatever processes and machines there are.
    Index("ix_run_at_work", "state", unique=True, sqlite_where=_AT_WORK, postgresql_where=_AT_WORK),
)

# Rows of a plan are never changed, but for the three last columns, which say what became of them.
change = Table(
    "change",
    identity_metadata,
    Column("run_id", String(32), nullable=False),
    Column("number", Integer, nullable=False),
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("name", String(200), nullable=False),  # what the target knows the entry by
    Column("before", Text),  # JSON of the entry; NULL: none
    Column("after", Text),
    Column("reason", String(200), nullable=False),
    Column("desired", String(32)),  # digest of `after`
    Column("mark", String(32), nullable=False),  # of the dirty row that this change settles, or ""
    Column("state", String(10), nullable=False),
    Column("error", String(500), nullable=False),
    Column("done_at", UtcDateTime),
    PrimaryKeyConstraint("run_id", "number"),
    Index("ix_change_run_id_state", "run_id", "state"),
)

finding = Table(
    "finding",
    identity_metadata,
    Column("run_id", String(32), nullable=False),
    Column("number", Integer, nullable=False),
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("name", String(200), nullable=False),
    Column("what", String(200), nullable=False),
    PrimaryKeyConstraint("run_id", "number"),
)

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


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """One target's part of a plan."""

    population: int  # entries of ours that it held
    counts: Mapping[str, int] = field(default_factory=dict)  # by kind of change
    findings: int = 0


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
    """Note that a plan is being made; until `end_plan` nobody can apply it."""
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
    if changes:
        connection.execute(insert(change), [{"run_id": run_id, **_columns(row)} for row in changes])
    if findings:
        connection.execute(insert(finding), [{"run_id": run_id, **_columns(row)} for row in findings])


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


def load_run(connection: Connection, run_id: str) -> Run | None:
    """Return one run."""
    row = connection.execute(select(run).where(run.c.run_id == run_id)).one_or_none()
    return None if row is None else _run(row)


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


def ask(connection: Connection, run_id: str, actor: str) -> bool:
    """Have a run carried out by whoever comes first; False where it is not to be: an end, or waiting for people."""
    return move(connection, run_id, (PLANNED, INCOMPLETE, PAUSED), APPROVED, asked_by=actor, due_at=None)


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


def runs_in(connection: Connection, states: Collection[str]) -> list[Run]:
    """Return all runs in some states, the oldest first."""
    return [_run(row) for row in connection.execute(select(run).where(run.c.state.in_(states)).order_by(run.c.run_id))]


def changes_of(
    connection: Connection,
    run_id: str,
    *,
    after: int = -1,
    limit: int = BATCH,
    state: str | None = None,
    target: str | None = None,
) -> list[ChangeRow]:
    """Return the next changes of a run, in order, numbered above `after`."""
    query = select(change).where(change.c.run_id == run_id, change.c.number > after)
    if state is not None:
        query = query.where(change.c.state == state)
    if target is not None:
        query = query.where(change.c.target == target)
    return [_change_row(row) for row in connection.execute(query.order_by(change.c.number).limit(limit))]


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


def settle(connection: Connection, run_id: str, at: datetime, settled: Iterable[tuple[int, str, str]]) -> None:
    """Say what became of changes, for each (number, state, error)."""
    rows = [{"n": number, "to": state, "why": error[:500]} for number, state, error in settled]
    if rows:
        connection.execute(
            update(change)
            .where(change.c.run_id == run_id, change.c.number == bindparam("n"))
            .values(state=bindparam("to"), error=bindparam("why"), done_at=at),
            rows,
        )


def _run(row: Any) -> Run:
    values = {name: getattr(row, name) for name in Run.__dataclass_fields__}
    summary = {target: TargetSummary(**part) for target, part in json.loads(row.summary).items()}
    over = tuple(Over(**one) for one in json.loads(row.over))
    return Run(**{**values, "summary": summary, "over": over})


def _change_row(row: Any) -> ChangeRow:
    return ChangeRow(
        row.number,
        row.target,
        row.person_id,
        row.kind,
        row.name,
        row.before,
        row.after,
        row.reason,
        row.desired,
        row.mark,
        row.state,
        row.error,
    )


def _columns(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
