"""The canary: a run writes and reads its first few people before all others, so that a wrong plan stops early."""

from collections.abc import Mapping, Sequence
from typing import Any

from idp.errors import CanaryFailed, TargetError
from idp.provisioning import health, run_queries
from idp.provisioning.chunks import KINDS, phases
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, ChangeState, Run
from idp.provisioning.target import Target
from idp.provisioning.verify import verify
from idp.provisioning.writer import Progress, TargetWriter, target_error, write_of


def needs_canary(provisioner: Provisioner, run: Run, counts: Mapping[str, Mapping[str, int]], target: Target) -> bool:
    """Return whether a few go before all others; a run of no more people has no canary.

    Shape:   counts: of the run's changes, by target and state
    Also where only the first few were written: a kill may have kept them from being read.
    """
    few = provisioner.settings.canary
    return 0 < few < run.changes and counts.get(target.kind, {}).get(ChangeState.DONE, 0) <= few


def write_canary(
    provisioner: Provisioner, run: Run, targets: Sequence[Target], failing: dict[str, TargetError], progress: Progress
) -> None:
    """Write and check a few people in these targets; put those that fail and say nothing about the plan into `failing`.

    Shape:   failing: errors by kind of target; this attempt writes nobody else there
    Raises:  CanaryFailed when one of them is found otherwise, or a target refuses most of them
    """
    for target in targets:
        with health.collecting_failures(provisioner, target.kind, failing):
            health.refuse_if_open(provisioner, target.kind)  # no canary, and so nobody else
            # An attempt before may have written them.
            _verify(provisioner, target, run, _rows(provisioner, run, target, ChangeState.DONE))
    able = [target for target in targets if target.kind not in failing]
    each = max(1, provisioner.settings.canary // max(1, len(able)))
    people = [row.person_id for target in able for row in _rows(provisioner, run, target, ChangeState.OPEN, limit=each)]
    for kind, way in phases([target.kind for target in able]):
        target = provisioner.targets[kind]
        rows = _rows(provisioner, run, target, ChangeState.OPEN, kind=KINDS[way], person_id=people)
        if rows and kind not in failing:
            with health.collecting_failures(provisioner, kind, failing):
                _try(TargetWriter(provisioner, target, run.requested_by, run, progress), run, rows, failing)


def _rows(provisioner: Provisioner, run: Run, target: Target, state: ChangeState, **where: Any) -> list[ChangeRow]:
    return provisioner.read(run_queries.changes_of, run.run_id, target=target.kind, state=state, **where)


def _try(writer: TargetWriter, run: Run, rows: Sequence[ChangeRow], failing: dict[str, TargetError]) -> None:
    target = writer.target
    outcomes = writer.write([write_of(row) for row in rows], one_by_one=True)  # one failure proves nothing
    done = [one.row for one, outcome in outcomes if outcome.error is None and one.row is not None]
    wrong = verify(writer.provisioner, target, run, done)
    writer.note_health(outcomes)
    _refuse_if_otherwise(target, rows, wrong)
    errors = [outcome.error for _, outcome in outcomes if outcome.error is not None]
    refused = [error for error in errors if not error.retryable]
    if len(refused) >= max(3, len(rows) // 2 + 1):
        raise CanaryFailed(f"{target.kind} refused {len(refused)} of the first {len(rows)} people: {refused[0]}")
    if errors and len(errors) == len(outcomes) and not refused:
        failing[target.kind] = target_error(errors[0])


def _verify(provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow]) -> None:
    if rows:
        _refuse_if_otherwise(target, rows, verify(provisioner, target, run, rows))


def _refuse_if_otherwise(target: Target, rows: Sequence[ChangeRow], wrong: Sequence[ChangeRow]) -> None:
    if wrong:
        raise CanaryFailed(
            f"{len(wrong)} of the first {len(rows)} people in {target.kind} were found otherwise after they were"
            f" written ({wrong[0].name}); nobody else was"
        )
