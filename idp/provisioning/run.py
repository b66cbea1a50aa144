"""The run: a plan and what became of it. Its states and the transitions between them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from idp.provisioning.values import Change, Entry, Kind

CHUNK = 1000  # changes that one worker takes at a time, unless a run says otherwise


class RunKind(StrEnum):
    """What a run is for."""

    SYNC = "sync"
    UNDO = "undo"
    MERGE = "merge"
    REMOVAL = "removal"


# Days may pass before these are applied. Each person is judged when the change is written, and superseded or not.
JUDGED_LATE = (RunKind.UNDO, RunKind.REMOVAL)


class RunState(StrEnum):
    """How far a run is."""

    PLANNING = "planning"  # a draft; nobody can apply it
    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting_approval"  # over a limit
    APPROVED = "approved"  # requested: the next runner carries it out
    RUNNING = "running"  # one run at a time (`ix_run_running`)
    INCOMPLETE = "incomplete"  # something is left for another attempt
    PAUSED = "paused"
    APPLIED = "applied"
    CANCELLED = "cancelled"
    STALE = "stale"  # the records or a target changed since the plan


_S = RunState
TRANSITIONS: Mapping[RunState, tuple[RunState, ...]] = {
    _S.PLANNING: (_S.PLANNED, _S.AWAITING_APPROVAL),
    _S.PLANNED: (_S.APPROVED, _S.STALE, _S.CANCELLED),
    _S.AWAITING_APPROVAL: (_S.APPROVED, _S.STALE, _S.CANCELLED),
    _S.APPROVED: (_S.RUNNING, _S.PAUSED, _S.CANCELLED, _S.STALE),
    _S.RUNNING: (_S.APPLIED, _S.INCOMPLETE, _S.PAUSED, _S.CANCELLED, _S.STALE),
    _S.INCOMPLETE: (_S.APPROVED, _S.RUNNING, _S.PAUSED, _S.CANCELLED, _S.STALE),
    _S.PAUSED: (_S.APPROVED, _S.CANCELLED, _S.STALE),
    _S.APPLIED: (),
    _S.CANCELLED: (),
    _S.STALE: (),
}
ENDS = tuple(state for state, after in TRANSITIONS.items() if not after)


def states_before(state: RunState) -> tuple[RunState, ...]:
    """Return the states from which a run may come into this one."""
    return tuple(before for before, after in TRANSITIONS.items() if state in after)


class Runner(StrEnum):
    """Who carries a running attempt out."""

    COMMAND = "command"  # a command, in its own process
    ENGINE = "engine"  # the workers


class ChangeState(StrEnum):
    """What became of one change of a run."""

    OPEN = "open"
    DONE = "done"
    REJECTED = "rejected"
    UNVERIFIED = "unverified"  # written, and found otherwise afterwards
    SUPERSEDED = "superseded"  # something else is desired by now; the next plan has it


WRITTEN = (ChangeState.DONE, ChangeState.UNVERIFIED)  # of which something may stand in the target


@dataclass(frozen=True, slots=True)
class LimitViolation:
    """One limit that a plan exceeds, as it was when the plan was made."""

    target: str
    kind: str  # of change
    count: int
    population: int
    limit: int
    before: int = 0  # other people, by runs of the day before that nobody approved


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """One target's part of a plan."""

    population: int  # entries of ours that it held
    counts: Mapping[str, int] = field(default_factory=dict)  # by kind of change
    findings: int = 0
    unread: str = ""  # why it could not be read, so that nothing is planned in it
    lose_rights: int = 0  # changes, of whatever kind, that take student rights away


@dataclass(frozen=True, slots=True)
class Run:
    """One plan and how far it is."""

    run_id: str
    kind: RunKind
    state: RunState
    created_at: datetime
    created_by: str
    digest: str
    undoes: str | None
    chunk: int
    requested_by: str
    attempt: int
    runner: Runner | None
    started_at: datetime | None
    progress_at: datetime | None
    next_attempt_at: datetime | None
    finished_at: datetime | None
    error: str
    error_code: str
    summary: Mapping[str, TargetSummary] = field(default_factory=dict)  # by target
    violations: tuple[LimitViolation, ...] = ()

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
        is_due = self.state is RunState.INCOMPLETE and self.next_attempt_at is not None
        return is_due or self.state in (RunState.APPROVED, RunState.RUNNING)


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
    loses_rights: bool = False
    cause: str = ""
    state: str = ChangeState.OPEN
    error: str = ""

    def to_change(self) -> Change:
        """Return the change as a target takes it."""
        before, after = (Entry.from_json(self.person_id, text) if text else None for text in (self.before, self.after))
        return Change(Kind(self.kind), self.person_id, before, after, self.reason, self.cause)


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as stored."""

    number: int
    target: str
    person_id: str
    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word for one plan."""

    run_id: str
    account_id: str
    digest: str
    name: str
    factors: str
    shell: str
    approved_at: datetime
