"""Runs: plans as they were made, what became of each change, and what was found that nobody may change."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Executable,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from idp.db.bulk import BATCH, as_bound, insert_once, insert_rows, run_many
from idp.db.databases import Database
from idp.errors import NotFound
from idp.people.merge_queries import forget_planned_merge
from idp.provisioning.run import (
    CHUNK,
    JUDGED_LATE,
    WRITTEN,
    Approval,
    ChangeRow,
    ChangeState,
    FindingRow,
    LimitViolation,
    Run,
    RunKind,
    Runner,
    RunState,
    TargetSummary,
    states_before,
)
from idp.provisioning.tables import change, finding, limit_violation, run, run_approval, run_target
from idp.provisioning.values import Kind


def begin_plan(
    connection: Connection,
    run_id: str,
    at: datetime,
    actor: str,
    *,
    kind: RunKind = RunKind.SYNC,
    undoes: str | None = None,
    chunk: int = CHUNK,
) -> None:
    """Begin a draft; until `end_plan` nobody can apply it.

    Effect:  abandoned drafts are deleted: one plan is made at a time, so whoever made them has failed
    """
    drafts = select(run.c.run_id).where(run.c.state == RunState.PLANNING)
    _delete(connection, connection.execute(drafts).scalars().all())
    values = {"run_id": run_id, "kind": kind, "state": RunState.PLANNING, "created_at": at, "created_by": actor}
    connection.execute(insert(run).values(undoes=undoes, chunk=chunk, **values))


def add_to_plan(
    connection: Connection, run_id: str, changes: Sequence[ChangeRow], findings: Sequence[FindingRow]
) -> None:
    """Write some changes of a plan."""
    insert_rows(connection, change, ("run_id", *_CHANGE_COLUMNS), ((run_id, *_values(row)) for row in changes))
    insert_rows(connection, finding, ("run_id", *_FINDING_COLUMNS), ((run_id, *_values(row)) for row in findings))


def empty_plan(connection: Connection, run_id: str) -> None:
    """Take everything out of a draft, to make it anew."""
    for table in (change, finding):
        connection.execute(delete(table).where(table.c.run_id == run_id))


def end_plan(
    connection: Connection,
    run_id: str,
    digest: str,
    summary: Mapping[str, TargetSummary],
    violations: Sequence[LimitViolation] = (),
    *,
    waits: bool = False,
) -> None:
    """Seal a plan: from now on it never changes. One that exceeds a limit, or `waits`, awaits approval."""
    for number, (target, part) in enumerate(summary.items()):
        counts = {kind.value: part.counts.get(kind, 0) for kind in Kind}
        values = {"population": part.population, "lose_rights": part.lose_rights, "findings": part.findings}
        connection.execute(
            insert(run_target).values(
                run_id=run_id, target=target, number=number, unread=part.unread[:500], **values, **counts
            )
        )
    for one in violations:
        connection.execute(insert(limit_violation).values(run_id=run_id, **asdict(one)))
    connection.execute(update(run).where(run.c.run_id == run_id).values(digest=digest))
    move(connection, run_id, RunState.AWAITING_APPROVAL if violations or waits else RunState.PLANNED)


def load_run(connection: Connection, run_id: str, *, alone: bool = False) -> Run | None:
    """Return one run; `alone`: nobody else who asks so has it before this transaction ends."""
    query = select(run).where(run.c.run_id == run_id)
    # On SQLite, which knows no such clause, whoever writes is alone anyway.
    return next(iter(_runs(connection, query.with_for_update() if alone else query)), None)


def require_run(connection: Connection, run_id: str, *, alone: bool = False) -> Run:
    """Return one run, as `load_run`.

    Raises:  NotFound
    """
    if (found := load_run(connection, run_id, alone=alone)) is None:
        raise NotFound(f"there is no run {run_id}")
    return found


def runs_with_prefix(connection: Connection, prefix: str, most: int) -> list[Run]:
    """Return the runs whose number begins so, `most` at most."""
    query = select(run).where(run.c.run_id.startswith(prefix, autoescape=True))
    return _runs(connection, query.order_by(run.c.run_id).limit(most))


def last_runs(connection: Connection, limit: int = 1) -> list[Run]:
    """Return the latest runs, the newest first; drafts left out."""
    query = select(run).where(run.c.state != RunState.PLANNING)
    return _runs(connection, query.order_by(run.c.run_id.desc()).limit(limit))


def last_started(connection: Connection) -> Run | None:
    """Return the run that was started last."""
    query = select(run).where(run.c.started_at.is_not(None)).order_by(run.c.started_at.desc()).limit(1)
    return next(iter(_runs(connection, query)), None)


def runs_in(connection: Connection, *states: RunState) -> list[Run]:
    """Return all runs in some states, the oldest first."""
    return _runs(connection, select(run).where(run.c.state.in_(states)).order_by(run.c.run_id))


def _runs(connection: Connection, query: Executable) -> list[Run]:
    rows = connection.execute(query).all()
    if not rows:
        return []
    ids = [row.run_id for row in rows]
    summary: dict[str, dict[str, TargetSummary]] = {}
    for part in connection.execute(
        select(run_target).where(run_target.c.run_id.in_(ids)).order_by(run_target.c.number)
    ):
        counts = {kind.value: count for kind in Kind if (count := getattr(part, kind))}
        one = TargetSummary(part.population, counts, part.findings, part.unread, part.lose_rights)
        summary.setdefault(part.run_id, {})[part.target] = one
    violations: dict[str, list[LimitViolation]] = {}
    for row in connection.execute(select(limit_violation).where(limit_violation.c.run_id.in_(ids))):
        values = dict(row._mapping)
        violations.setdefault(values.pop("run_id"), []).append(LimitViolation(**values))
    return [_run(row, summary.get(row.run_id, {}), violations.get(row.run_id, [])) for row in rows]


def _run(row: Any, summary: Mapping[str, TargetSummary], violations: Sequence[LimitViolation]) -> Run:
    values = {**row._mapping, "kind": RunKind(row.kind), "state": RunState(row.state)}
    values["runner"] = Runner(row.runner) if row.runner else None
    return Run(**values, summary=summary, violations=tuple(violations))


# --- how far a run is -------------------------------------------------------------------------------------------------


def move(connection: Connection, run_id: str, to: RunState, *, from_: Collection[RunState] = (), **values: Any) -> bool:
    """Return whether a run was moved into a state, from one of some states or any that may lead there.

    Effect:  of several who try, one succeeds; with a plan that ends unapplied its planned merge ends
    """
    before = from_ or states_before(to)
    moved = connection.execute(
        update(run)
        .where(run.c.run_id == run_id, run.c.state.in_(before))
        .values(**{"state": to, "runner": None, "next_attempt_at": None, **values})
    )
    if moved.rowcount == 1 and to in (RunState.CANCELLED, RunState.STALE):
        forget_planned_merge(connection, run_id)
    return moved.rowcount == 1


def start_attempt(connection: Connection, run_id: str, attempt: int, runner: Runner, at: datetime) -> bool:
    """Begin attempt `attempt` + 1 of a run: True for one of all who try, and never while another run is running.

    Effect:  whoever runs the attempt before stops at its next batch
    """
    if running(connection) not in (None, run_id):
        return False
    mine = update(run).where(run.c.run_id == run_id, run.c.attempt == attempt)
    try:
        with connection.begin_nested():
            row = connection.execute(
                mine.where(run.c.state.in_(states_before(RunState.RUNNING))).values(
                    state=RunState.RUNNING,
                    attempt=attempt + 1,
                    runner=runner,
                    started_at=func.coalesce(run.c.started_at, at),
                    progress_at=at,
                    next_attempt_at=None,
                    finished_at=None,
                    error="",
                    error_code="",
                )
            )
    except IntegrityError:  # `ix_run_running`: another run was quicker
        return False
    return row.rowcount == 1


def end_attempt(connection: Connection, run_id: str, attempt: int, state: RunState, /, **values: Any) -> bool:
    """Store how an attempt ended; False when somebody paused, cancelled or took over the run meanwhile.

    Effect:  with a run that becomes stale before its first write its planned merge ends
    """
    if "error" in values:
        values["error"] = values["error"][:500]
    update_ended = update(run).where(*_is_going(run_id, attempt)).values(state=state, runner=None, **values)
    has_ended = connection.execute(update_ended).rowcount == 1
    if has_ended and state is RunState.STALE:
        forget_planned_merge(connection, run_id)
    return has_ended


def skip_attempt(connection: Connection, run_id: str, attempt: int) -> None:
    """Count an attempt that ended before it began, so that the next one has another number."""
    idle = update(run).where(run.c.run_id == run_id, run.c.attempt == attempt - 1, run.c.state != RunState.RUNNING)
    connection.execute(idle.values(attempt=attempt))


def running(connection: Connection) -> str | None:
    """Return the run that is being carried out now."""
    return connection.execute(select(run.c.run_id).where(run.c.state == RunState.RUNNING)).scalar_one_or_none()


def note_progress(connection: Connection, run_id: str, attempt: int, at: datetime) -> bool:
    """Store progress of an attempt, and return whether it goes on: nobody paused, cancelled or took it over."""
    return connection.execute(update(run).where(*_is_going(run_id, attempt)).values(progress_at=at)).rowcount == 1


def is_going(connection: Connection, run_id: str, attempt: int) -> bool:
    """Return whether this attempt goes on."""
    return connection.execute(select(run.c.run_id).where(*_is_going(run_id, attempt))).first() is not None


def _is_going(run_id: str, attempt: int) -> Sequence[ColumnElement[bool]]:
    return run.c.run_id == run_id, run.c.attempt == attempt, run.c.state == RunState.RUNNING


def undo_of(connection: Connection, run_id: str) -> str | None:
    """Return the run that takes this one back, if one was ever requested and not cancelled."""
    begun = (RunState.APPROVED, RunState.RUNNING, RunState.INCOMPLETE, RunState.PAUSED, RunState.APPLIED)
    query = select(run.c.run_id).where(run.c.undoes == run_id, run.c.kind == RunKind.UNDO, run.c.state.in_(begun))
    return connection.execute(query.limit(1)).scalar_one_or_none()


def add_approval(connection: Connection, new: Approval) -> bool:
    """Write an approval; False when this person approved this run before."""
    return insert_once(connection, run_approval, asdict(new))


def approvals_of(connection: Connection, run_id: str, digest: str) -> list[Approval]:
    """Return who approved exactly this plan, the first one first."""
    mine = select(run_approval).where(run_approval.c.run_id == run_id, run_approval.c.digest == digest)
    rows = connection.execute(mine.order_by(run_approval.c.approved_at, run_approval.c.account_id))
    return [Approval(**row._mapping) for row in rows]


# --- changes ----------------------------------------------------------------------------------------------------------


def changes_of(
    connection: Connection,
    run_id: str,
    /,
    *,
    after: int = -1,
    upto: int | None = None,
    limit: int = BATCH,
    **where: Any,
) -> list[ChangeRow]:
    """Return the next changes of a run, in order, numbered above `after`.

    Shape:   where: by column the value, or a collection of values, such as target="ldap", kind=["create", "update"]
    """
    query = select(*(change.c[name] for name in _CHANGE_COLUMNS)).where(
        change.c.run_id == run_id, change.c.number > after
    )
    if upto is not None:
        query = query.where(change.c.number <= upto)
    for name, value in where.items():
        column = change.c[name]
        query = query.where(column == value if isinstance(value, str) else column.in_(value))
    return [ChangeRow(*row) for row in connection.execute(query.order_by(change.c.number).limit(limit))]


def pages_of_changes(database: Database, run_id: str, **where: Any) -> Iterator[list[ChangeRow]]:
    """Yield changes as `changes_of` returns them, to the last. No reading transaction stays open between pages."""
    last = -1
    while True:
        with database.read() as connection:
            rows = changes_of(connection, run_id, after=last, **where)
        if not rows:
            return
        yield rows
        last = rows[-1].number


def findings_of(connection: Connection, run_id: str, limit: int = BATCH) -> list[FindingRow]:
    """Return the first findings of a run."""
    rows = connection.execute(select(finding).where(finding.c.run_id == run_id).order_by(finding.c.number).limit(limit))
    return [FindingRow(row.number, row.target, row.person_id, row.name, row.what) for row in rows]


def count_changes(connection: Connection, run_id: str) -> dict[str, int]:
    """Return how many changes of a run are in each state."""
    return dict(sum(map(Counter, count_by_target(connection, run_id).values()), Counter[str]()))


def count_by_target(connection: Connection, run_id: str) -> dict[str, dict[str, int]]:
    """Return by target how many changes of a run are in each state."""
    query = select(change.c.target, change.c.state, func.count()).where(change.c.run_id == run_id)
    found: dict[str, dict[str, int]] = {}
    for target, state, count in connection.execute(query.group_by(change.c.target, change.c.state)):
        found.setdefault(target, {})[state] = count
    return found


# As `Run.goes_on`.
_GOES_ON = "(run.state IN ('approved', 'running') OR (run.state = 'incomplete' AND run.next_attempt_at IS NOT NULL))"


def people_done(connection: Connection, run_id: str, maker: str, since: datetime) -> dict[str, dict[str, int]]:
    """Return by target and limit in how many people `maker`'s runs changed something since then, besides a run's own.

    Shape:   what a run that goes on has yet to change counts as changed
             left out: runs that people approved, and the entries that a first load makes
    """
    was_approved = exists().where(limit_violation.c.run_id == run.c.run_id)
    goes_on: ColumnElement[bool] = literal_column(_GOES_ON, Boolean())
    made = (run.c.created_by == maker) & ~was_approved & ((run.c.progress_at >= since) | goes_on)
    runs = select(run.c.run_id).where(made)
    is_load = exists().where(
        run_target.c.run_id == change.c.run_id, run_target.c.target == change.c.target, run_target.c.population == 0
    )
    found: dict[str, dict[str, int]] = {}
    its_own = change.alias()
    loses = change.c.loses_rights
    for word, condition, its_kind in (
        (change.c.kind, true(), its_own.c.kind == change.c.kind),
        (literal_column("'lose_rights'"), loses, its_own.c.loses_rights),
    ):
        counted = select(change.c.target, word, func.count(change.c.person_id.distinct())).where(
            change.c.run_id.in_(runs),
            condition,
            (change.c.state.in_(WRITTEN) & (change.c.done_at >= since))
            | ((change.c.state == ChangeState.OPEN) & change.c.run_id.in_(runs.where(goes_on))),
            ~((change.c.kind == Kind.CREATE) & is_load),
            ~exists().where(
                its_own.c.run_id == run_id,
                its_own.c.target == change.c.target,
                its_kind,
                its_own.c.person_id == change.c.person_id,
            ),
        )
        groups = (change.c.target,) if condition is loses else (change.c.target, change.c.kind)
        for target, kind, count in connection.execute(counted.group_by(*groups)):
            found.setdefault(target, {})[kind] = count
    return found


def open_chunks(
    connection: Connection, run_id: str, target: str, kinds: Collection[str] | None, size: int
) -> list[int]:
    """Return which chunks have open changes in a target: chunk n has the numbers n*size+1 to (n+1)*size."""
    number = ((change.c.number - 1) // size).label("chunk")
    query = select(number).where(
        change.c.run_id == run_id, change.c.state == ChangeState.OPEN, change.c.target == target
    )
    if kinds is not None:
        query = query.where(change.c.kind.in_(kinds))
    return list(connection.execute(query.distinct().order_by(number)).scalars())


# --- runs and what is desired ----------------------------------------------------------------------------------------

# Open changes, and what is desired of their people by now.
_OPEN = (
    "FROM change c JOIN run ON run.run_id = c.run_id"
    " LEFT JOIN target_state s ON s.target = c.target AND s.person_id = c.person_id WHERE c.state = 'open'"
)
# Only undo and removal remove. They judge each person when the change is written, so a removal is never otherwise.
# Nobody is created whose records ask for no entry any more.
_OTHERWISE = (
    "(c.desired IS NOT NULL AND (s.desired IS NULL OR s.desired <> c.desired"
    " OR (s.presence = 'if_present' AND c.kind = 'create')))"
)
# Open changes of runs that keep their people. An undo or a removal keeps nobody: the records do not ask for it.
_LATE = ", ".join(f"'{kind}'" for kind in JUDGED_LATE)
_KEPT = f"{_OPEN} AND run.kind NOT IN ({_LATE}) AND (run.state IN ('awaiting_approval', 'paused') OR {_GOES_ON})"
# People belong to such a run while all that it wants of them is still desired.
_STILL_DESIRED = f"GROUP BY c.person_id, c.run_id HAVING MAX(CASE WHEN {_OTHERWISE} THEN 1 ELSE 0 END) = 0"


def desired_otherwise(connection: Connection, run_id: str) -> list[str]:
    """Return the names of open changes whose person should be otherwise by now."""
    query = f"SELECT DISTINCT c.name, c.person_id {_OPEN} AND c.run_id = :run AND {_OTHERWISE} ORDER BY c.person_id"
    return list(connection.execute(text(query), {"run": run_id}).scalars())


def changed_since(connection: Connection, run_id: str) -> list[str]:
    """Return people with open changes whose records changed and were not computed yet."""
    query = (
        "SELECT DISTINCT c.person_id FROM change c JOIN person_change d ON d.person_id = c.person_id"
        " WHERE c.run_id = :run AND c.state = 'open' ORDER BY c.person_id"
    )
    return list(connection.execute(text(query), {"run": run_id}).scalars())


def owners_among(connection: Connection, person_ids: Collection[str]) -> dict[str, str]:
    """Return the run to which those of some people belong who are in one, as they are desired now.

    Shape:   a run that awaits approval, is paused, or goes on; nobody else writes its people
    """
    if not person_ids:
        return {}
    query = text(f"SELECT c.person_id, c.run_id {_KEPT} AND c.person_id IN :people {_STILL_DESIRED}")
    rows = connection.execute(query.bindparams(bindparam("people", list(person_ids), expanding=True)))
    return {row.person_id: row.run_id for row in rows}


def due_outside_runs(connection: Connection, targets: Collection[str], now: datetime, limit: int) -> list[str]:
    """Return people of whom a guarded run must write something in these targets now, and who belong to no run."""
    query = text(
        "SELECT t.person_id FROM target_state t WHERE t.priority = 'bulk' AND t.next_attempt_at <= :now"
        f" AND t.target IN :targets AND NOT EXISTS (SELECT 1 {_KEPT} AND c.person_id = t.person_id {_STILL_DESIRED})"
        " GROUP BY t.person_id ORDER BY MIN(t.next_attempt_at), t.person_id LIMIT :limit"
    ).bindparams(
        bindparam("now", now, type_=run.c.next_attempt_at.type),
        bindparam("targets", list(targets), expanding=True),
        limit=limit,
    )
    return list(connection.execute(query).scalars())


def set_aside_overtaken(connection: Connection, live: Collection[str], bulk: Collection[str], now: datetime) -> None:
    """Have plans that await approval follow what is desired of these people since a moment.

    Effect:  an import, or the calendar, makes the plan stale. A person's own act supersedes that person's changes only:
             many people's small acts would never let a plan be approved
    """
    overtaken = f"{_OPEN} AND run.state = 'awaiting_approval' AND run.kind <> 'undo' AND {_OTHERWISE}"
    for people in filter(None, (bulk, live)):
        query = text(f"SELECT c.run_id, c.number {overtaken} AND c.person_id IN :people")
        rows = connection.execute(query.bindparams(bindparam("people", list(people), expanding=True))).all()
        if people is bulk:
            for run_id in {row.run_id for row in rows}:
                make_stale(connection, run_id, "the records of its people changed before it was approved", now)
        else:
            for row in rows:
                settle(connection, row.run_id, now, [(row.number, ChangeState.SUPERSEDED, "desired otherwise by now")])


def drop_unneeded(connection: Connection, now: datetime) -> None:
    """Make plans stale that await approval although none of their changes is needed any more."""
    needed = f"{_OPEN} AND c.run_id = r.run_id AND NOT {_OTHERWISE} AND (s.state IS NULL OR s.state <> 'in_sync')"
    query = (
        "SELECT r.run_id FROM run r WHERE r.state = 'awaiting_approval' AND r.kind = 'sync'"
        f" AND NOT EXISTS (SELECT 1 {needed})"
    )
    for run_id in connection.execute(text(query)).scalars().all():
        make_stale(connection, run_id, "nothing of it is needed any more", now)


def drop_sharing(connection: Connection, undo_id: str, now: datetime) -> None:
    """Make plans stale that await approval and have people of an undo that begins."""
    query = (
        "SELECT DISTINCT c.run_id FROM change c JOIN run r ON r.run_id = c.run_id JOIN change mine"
        " ON mine.person_id = c.person_id AND mine.run_id = :run AND mine.state = 'open'"
        " WHERE c.state = 'open' AND r.state = 'awaiting_approval' AND r.kind <> 'undo'"
    )
    for run_id in connection.execute(text(query), {"run": undo_id}).scalars().all():
        make_stale(connection, run_id, f"run {undo_id} undoes changes of its people", now)


def make_stale(connection: Connection, run_id: str, why: str, now: datetime) -> None:
    """End a plan that awaits approval, because its world moved."""
    move(connection, run_id, RunState.STALE, from_=[RunState.AWAITING_APPROVAL], error=why, finished_at=now)


def any_before(connection: Connection, then: datetime) -> bool:
    """Return whether there is a run that was made before a moment and may be deleted."""
    old = select(run.c.run_id).where(run.c.created_at < then, run.c.state != RunState.RUNNING).limit(1)
    return connection.execute(old).one_or_none() is not None


def forget_runs(connection: Connection, before: datetime, limit: int) -> int:
    """Delete the oldest runs that were made before a moment and are not at work, and return how many."""
    old = select(run.c.run_id).where(run.c.created_at < before, run.c.state != RunState.RUNNING)
    ids = connection.execute(old.order_by(run.c.run_id).limit(limit)).scalars().all()
    _delete(connection, ids)
    return len(ids)


def forget_run(connection: Connection, run_id: str) -> None:
    """Delete a run."""
    _delete(connection, [run_id])


def _delete(connection: Connection, run_ids: Sequence[str]) -> None:
    for run_id in run_ids:
        forget_planned_merge(connection, run_id)
    for table in (change, finding, run_approval, limit_violation, run_target, run):
        connection.execute(delete(table).where(table.c.run_id.in_(run_ids)))


def settle(connection: Connection, run_id: str, at: datetime, settled: Iterable[tuple[int, str, str]]) -> None:
    """Say what became of changes, for each (number, state, error)."""
    bound = as_bound(connection, change.c.done_at, at)
    run_many(
        connection,
        "UPDATE change SET state = ?, error = ?, done_at = ? WHERE run_id = ? AND number = ?",
        ((state, error[:500], bound, run_id, number) for number, state, error in settled),
    )


_CHANGE_COLUMNS = tuple(ChangeRow.__dataclass_fields__)
_FINDING_COLUMNS = tuple(FindingRow.__dataclass_fields__)


def _values(row: ChangeRow | FindingRow) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row.__dataclass_fields__)
