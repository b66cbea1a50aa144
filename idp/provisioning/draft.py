"""A plan in the making: its rows, their digest, their counts, and the limits that it exceeds."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

import msgspec
from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import SYSTEM, Event, new_id, record
from idp.errors import TargetError
from idp.provisioning import run_queries
from idp.provisioning.guard import LOSE_RIGHTS, TOGETHER, excesses, loses_rights
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, FindingRow, LimitViolation, Run, RunKind, TargetSummary
from idp.provisioning.state_queries import count_states, was_filled
from idp.provisioning.values import Change, Finding

LOCK = "provisioning"  # one plan is made at a time; runs do not hold it, see `refuse_while_running`


@dataclass(slots=True)
class Draft:
    """Numbers the rows of a plan, digests them in order, counts and stores them.

    Shape:   number: of the last row; counts: by target and kind of change, LOSE_RIGHTS included; populations: by target
             how many entries of ours it has, where it was read whole
    """

    provisioner: Provisioner
    actor: str
    targets: Iterable[str]  # that have a part in the plan, in order
    kind: RunKind = RunKind.SYNC
    run_id: str = ""  # "": nothing is stored
    unread: dict[str, TargetError] = field(default_factory=dict)  # by target, why nothing is planned in it
    populations: dict[str, int] = field(default_factory=dict)
    number: int = field(init=False)
    failed: set[str] = field(init=False)  # people for whom the rules failed
    counts: dict[str, Counter[str]] = field(init=False)
    findings: Counter[str] = field(init=False)
    digest: "hashlib._Hash" = field(init=False)

    @classmethod
    def begin(
        cls,
        provisioner: Provisioner,
        actor: str,
        targets: Iterable[str],
        kind: RunKind = RunKind.SYNC,
        undoes: str | None = None,
        run_id: str = "",
    ) -> Self:
        """Return a draft that is stored, in which these targets have a part; the caller holds LOCK."""
        draft = cls(provisioner, actor, targets, kind, run_id or new_id())
        at, chunk = provisioner.clock.now(), provisioner.settings.chunk
        provisioner.write(run_queries.begin_plan, draft.run_id, at, actor, kind=kind, undoes=undoes, chunk=chunk)
        return draft

    def __post_init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all rows."""
        self.number, self.digest, self.findings, self.failed = 0, hashlib.sha256(), Counter(), set()
        self.counts = {kind: Counter() for kind in self.targets}

    def may_enable(self, kind: str) -> bool:
        """Return whether people may be enabled in a target: not while one of a later stage cannot be read."""
        order = list(self.provisioner.targets)
        return all(order.index(unread) <= order.index(kind) for unread in self.unread)

    def rows(
        self, kind: str, changes: Iterable[Change], findings: Iterable[Finding] = ()
    ) -> tuple[list[ChangeRow], list[FindingRow]]:
        """Return the next rows of the plan, and count them."""
        return [self._row(kind, change) for change in changes], [self._finding(kind, one) for one in findings]

    def add(self, kind: str, changes: Iterable[Change], findings: Iterable[Finding] = ()) -> None:
        """Write the next rows of the plan."""
        rows = self.rows(kind, changes, findings)
        if any(rows):
            self.provisioner.write(run_queries.add_to_plan, self.run_id, *rows)

    def add_failed(self, person_ids: Iterable[str]) -> None:
        """Write a finding for each person for whom the rules failed, once. It stands at the first target."""
        new = sorted(set(person_ids) - self.failed)
        self.failed.update(new)
        if new:
            self.add(next(iter(self.targets)), [], map(Finding.uncomputed, new))

    def unread_finding(self, kind: str) -> Finding:
        """Return that a target has no part in the plan, and why."""
        return Finding("", "everybody", f"not planned: {kind} could not be read: {self.unread[kind]}"[:200])

    def _row(self, kind: str, change: Change) -> ChangeRow:
        loses = loses_rights(change, self.provisioner.targets[kind].attributes)
        self.counts[kind][change.kind.value] += 1
        self.counts[kind][LOSE_RIGHTS] += loses
        before, after = (entry.to_json() if entry else None for entry in (change.before, change.after))
        self.number += 1
        self.digest.update(msgspec.json.encode([self.number, kind, change.person_id, change.kind, before, after]))
        return ChangeRow(
            number=self.number,
            target=kind,
            person_id=change.person_id,
            kind=change.kind.value,
            name=change.name,
            before=before,
            after=after,
            reason=change.reason,
            desired=change.after.digest if change.after else None,
            loses_rights=loses,
            cause=change.cause,
        )

    def _finding(self, kind: str, finding: Finding) -> FindingRow:
        self.number += 1
        self.findings[kind] += 1
        return FindingRow(self.number, kind, finding.person_id, finding.name, finding.what)

    # --- the whole plan ----------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, TargetSummary]:
        """Return each target's part. This counts the people of all targets."""
        known = self.provisioner.read(count_states)
        return {
            kind: TargetSummary(
                population=self.populations.get(kind, known.get(kind, (0, 0))[0]),
                counts={word: count for word, count in counts.items() if count and word != LOSE_RIGHTS},
                findings=self.findings[kind],
                unread=str(self.unread.get(kind, "")),
                lose_rights=counts[LOSE_RIGHTS],
            )
            for kind, counts in self.counts.items()
        }

    def violations(self, summary: Mapping[str, TargetSummary]) -> list[LimitViolation]:
        """Return which of today's limits it exceeds; they are kept with the plan, whatever the limits are later."""
        found: list[LimitViolation] = []
        since = self.provisioner.clock.now() - TOGETHER
        with self.provisioner.databases.identity.read() as connection:
            # What people start, they look at; what nobody looks at counts together.
            done = run_queries.people_done(connection, self.run_id, SYSTEM, since) if self.actor == SYSTEM else {}
            for kind, part in summary.items():
                limits = self.provisioner.settings.limits_of(kind)
                # A target that had entries of ours and holds none now was emptied, or is another one.
                is_first = part.population == 0 and not was_filled(connection, kind)
                counts = {word: count for word, count in self.counts[kind].items() if count}
                before = done.get(kind, {})
                found += excesses(kind, counts, part.population, limits, is_first_load=is_first, before=before)
        return found

    def seal(self, also: Callable[[Connection], object] = lambda _: None) -> Run:
        """Return the plan that the draft has become: from now on it is what it is.

        Shape:   also: what else is written in the transaction that makes it a plan
        Effect:  run.planned, and run.awaiting_approval when it is over a limit or removes people
        """
        summary = self.summary()
        over = self.violations(summary)
        waits = bool(over) or (self.kind is RunKind.REMOVAL and any(part.counts for part in summary.values()))
        with self.provisioner.databases.identity.write() as connection:
            also(connection)
            run_queries.end_plan(connection, self.run_id, self.digest.hexdigest(), summary, over, waits=waits)
            counts = {kind: part.counts for kind, part in summary.items()}
            self._record(connection, event_types.RUN_PLANNED, changes=counts)
            if waits:
                self._record(connection, event_types.RUN_AWAITING_APPROVAL, over=[asdict(one) for one in over])
            made = run_queries.load_run(connection, self.run_id)
        assert made is not None  # written a few lines above
        return made

    def _record(self, connection: Connection, word: str, **data: object) -> None:
        event = Event(word, subject=self.run_id, actor=self.actor, data=data)
        record(connection, self.provisioner.clock.timestamp(), event)
