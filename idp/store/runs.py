"""Runs: plans as they were made, what became of each change, and what was found that nobody may change."""

import json
from collections.abc import Iterable, Mapping, Sequence
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
    update,
)

from idp.store.base import UtcDateTime, identity_metadata

# Run: made, and then carried out as often as it takes.
PLANNING, PLANNED, APPLYING, APPLIED, INCOMPLETE = "planning", "planned", "applying", "applied", "incomplete"
# Change.
OPEN, DONE, REJECTED, UNVERIFIED = "open", "done", "rejected", "unverified"

run = Table(
    "run",
    identity_metadata,
    Column("run_id", String(32), primary_key=True),  # sorts by time of making
    Column("state", String(12), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 over all changes in order: this very plan
    Column("summary", Text, nullable=False),  # JSON by target: population, counts by kind, findings
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error", String(500), nullable=False),  # why it stopped, when it did
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


def begin_plan(connection: Connection, run_id: str, at: datetime, actor: str) -> None:
    """Note that a plan is being made; until `end_plan` nobody can apply it."""
    connection.execute(
        insert(run).values(
            run_id=run_id, state=PLANNING, created_at=at, created_by=actor, digest="", summary="{}", error=""
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


def end_plan(connection: Connection, run_id: str, digest: str, summary: Mapping[str, TargetSummary]) -> None:
    """Seal a plan: from now on it is what it is."""
    parts = {target: _columns(part) for target, part in summary.items()}
    connection.execute(
        update(run).where(run.c.run_id == run_id).values(state=PLANNED, digest=digest, summary=json.dumps(parts))
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
    summary = {target: TargetSummary(**part) for target, part in json.loads(row.summary).items()}
    return Run(
        row.run_id,
        row.state,
        row.created_at,
        row.created_by,
        row.digest,
        summary,
        row.started_at,
        row.finished_at,
        row.error,
    )


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
