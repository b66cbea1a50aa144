"""The canary: a run writes and reads its first few people before all others, so that a wrong plan stops early."""

from collections.abc import Mapping, Sequence

from idp.errors import CanaryFailed, TargetError
from idp.provisioning import health
from idp.provisioning import run_queries as runs
from idp.provisioning.chunks import Chunk, phases
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.runs import ChangeRow, ChangeState, Run
from idp.provisioning.target import Target
from idp.provisioning.verify import verify
from idp.provisioning.writer import Progress, TargetWriter, target_error, write_of


def needs_first_few(
    provisioner: Provisioner, run: Run, counts: Mapping[str, Mapping[str, int]], target: Target
) -> bool:
    """Return whether a few go before all others; a run of no more people has no canary.

    Shape:   counts: of the run's changes, by target and state
    Also where only the first few were written: a kill may have kept them from being read.
    """
    few = provisioner.settings.canary
    return 0 < few < run.changes and counts.get(target.kind, {}).get(ChangeState.DONE, 0) <= few


def try_first_few(
    provisioner: Provisioner, run: Run, targets: Sequence[Target], progress: Progress
) -> dict[str, TargetError]:
    """Write and check a few people in these targets, and return the targets that failed and say nothing about the plan.

    Shape:   errors by kind of target: this attempt writes nobody else there
    Raises:  CanaryFailed when one of them is found otherwise, or a target refuses most of them
    """
    failing: dict[str, TargetError] = {}
    for target in targets:
        if (error := _look_at_first(provisioner, target, run)) is not None:
            failing[target.kind] = error
    able = {target.kind: target for target in targets if target.kind not in failing}
    people = _first_people(provisioner, run, list(able.values()), provisioner.settings.canary)
    for kind, way in phases(list(able)):
        part = Chunk(kind, way, 0, 1)
        with provisioner.databases.identity.read() as connection:
            rows = runs.changes_of(
                connection, run.run_id, state=ChangeState.OPEN, target=kind, kinds=part.kinds, person_ids=people
            )
        if rows and kind not in failing and (error := _try(provisioner, able[kind], run, rows, progress)) is not None:
            failing[kind] = error
    return failing


def _first_people(provisioner: Provisioner, run: Run, targets: Sequence[Target], count: int) -> list[str]:
    each = max(1, count // max(1, len(targets)))
    with provisioner.databases.identity.read() as connection:
        return [
            row.person_id
            for target in targets
            for row in runs.changes_of(connection, run.run_id, state=ChangeState.OPEN, target=target.kind, limit=each)
        ]


def _look_at_first(provisioner: Provisioner, target: Target, run: Run) -> TargetError | None:
    """Look at what an attempt before wrote."""
    with provisioner.databases.identity.read() as connection:
        rows = runs.changes_of(connection, run.run_id, state=ChangeState.DONE, target=target.kind)
    try:
        wrong = verify(provisioner, target, run, rows) if rows else []
    except TargetError as error:
        health.note_failure(provisioner, target.kind, error)
        return error
    _refuse_if_otherwise(target, rows, wrong)
    return None


def _try(
    provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow], progress: Progress
) -> TargetError | None:
    writer = TargetWriter(provisioner, target, run.requested_by, run, progress)
    try:
        outcomes = writer.write([write_of(row) for row in rows], one_by_one=True)  # one failure proves nothing
        done = [one.row for one, outcome in outcomes if outcome.error is None and one.row is not None]
        wrong = verify(provisioner, target, run, done)
    except TargetError as error:  # the target is to blame and not the plan; other targets do not wait
        health.note_failure(provisioner, target.kind, error)
        return error
    writer.note_health(outcomes)
    _refuse_if_otherwise(target, rows, wrong)
    errors = [outcome.error for _, outcome in outcomes if outcome.error is not None]
    refused = [error for error in errors if not error.retryable]
    if len(refused) >= max(3, len(rows) // 2 + 1):
        raise CanaryFailed(f"{target.kind} refused {len(refused)} of the first {len(rows)} people: {refused[0]}")
    return target_error(errors[0]) if errors and len(errors) == len(outcomes) and not refused else None


def _refuse_if_otherwise(target: Target, rows: Sequence[ChangeRow], wrong: Sequence[ChangeRow]) -> None:
    if wrong:
        raise CanaryFailed(
            f"{len(wrong)} of the first {len(rows)} people in {target.kind} were found otherwise after they were"
            f" written ({wrong[0].name}); nobody else was"
        )
