"""The first few people of a run: written and looked at before all others, so that a wrong plan hurts no more."""

from collections.abc import Mapping, Sequence

from idp.errors import CanaryFailed, TargetError
from idp.provisioning import health
from idp.provisioning.parts import Part, phases
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.values import Target
from idp.provisioning.writing import Progress, note_health, still_to_write, verify, write_batch
from idp.store import runs
from idp.store.runs import ChangeRow, Run


def needs_first_few(
    provisioner: Provisioner, run: Run, counts: Mapping[str, Mapping[str, int]], target: Target
) -> bool:
    """Return whether a few go before all others; a run of no more people has no canary.

    Shape:   counts: of the run's changes, by target and state
    Also where no more than the first few were written: a kill may have kept them from being looked at.
    """
    few = provisioner.settings.canary
    return 0 < few < run.changes and counts.get(target.kind, {}).get(runs.DONE, 0) <= few


def try_first_few(provisioner: Provisioner, run: Run, targets: Sequence[Target], progress: Progress) -> None:
    """Write and check a few people in these targets.

    Raises:  CanaryFailed when one of them is found otherwise, or a target refuses most of them
    """
    for target in targets:
        _look_at_first(provisioner, target, run)
    people = _first_people(provisioner, run, targets, provisioner.settings.canary)
    by_kind = {target.kind: target for target in targets}
    for kind, way in phases(list(by_kind)):
        part = Part(kind, way, 0, 1)
        with provisioner.databases.identity.read() as connection:
            rows = runs.changes_of(
                connection, run.run_id, state=runs.OPEN, target=kind, kinds=part.kinds, person_ids=people
            )
        if rows:
            _try(provisioner, by_kind[kind], run, rows, progress)


def _first_people(provisioner: Provisioner, run: Run, targets: Sequence[Target], count: int) -> list[str]:
    each = max(1, count // max(1, len(targets)))
    with provisioner.databases.identity.read() as connection:
        return [
            row.person_id
            for target in targets
            for row in runs.changes_of(connection, run.run_id, state=runs.OPEN, target=target.kind, limit=each)
        ]


def _look_at_first(provisioner: Provisioner, target: Target, run: Run) -> None:
    """Look at what an attempt before wrote."""
    with provisioner.databases.identity.read() as connection:
        rows = runs.changes_of(connection, run.run_id, state=runs.DONE, target=target.kind)
    try:
        wrong = verify(provisioner, target, run, rows) if rows else []
    except TargetError as error:
        health.note_failure(provisioner, target.kind, error)
        return
    _refuse_if_otherwise(target, rows, wrong)


def _try(provisioner: Provisioner, target: Target, run: Run, rows: Sequence[ChangeRow], progress: Progress) -> None:
    try:
        rows = still_to_write(provisioner, target, run, rows)
        if not rows:
            return
        outcomes = write_batch(provisioner, target, run, rows, progress)
        done = [row for row, outcome in outcomes if outcome.error is None]
        wrong = verify(provisioner, target, run, done)
    except TargetError as error:  # it is ill and not the plan; others do not wait
        health.note_failure(provisioner, target.kind, error)
        return
    note_health(provisioner, target, run, outcomes)
    refused = [outcome.error for _, outcome in outcomes if outcome.error is not None and not outcome.error.retryable]
    _refuse_if_otherwise(target, rows, wrong)
    if len(refused) >= max(3, len(rows) // 2 + 1):
        raise CanaryFailed(f"{target.kind} refused {len(refused)} of the first {len(rows)} people: {refused[0]}")


def _refuse_if_otherwise(target: Target, rows: Sequence[ChangeRow], wrong: Sequence[ChangeRow]) -> None:
    if wrong:
        raise CanaryFailed(
            f"{len(wrong)} of the first {len(rows)} people in {target.kind} were found otherwise after they were"
            f" written ({wrong[0].name}); nobody else was"
        )
