"""Make the open changes of one part of a run, batch by batch, at the target's pace and as patiently as is worth it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from idp.errors import NotFound, TargetError, TargetUnavailable
from idp.provisioning import health
from idp.provisioning import run_queries as runs
from idp.provisioning.chunks import Chunk
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.runs import ChangeRow, ChangeState, Run
from idp.provisioning.target import Target
from idp.provisioning.writer import Outcomes, Progress, TargetWriter, target_error, write_of

SLICE_S = 0.25  # between two looks whether a run that waits was stopped
PASSES = 3  # over one part, for changes that may succeed a moment later
STUMBLES = 2  # of one batch in a target that answers, before its changes are made one by one


def apply_chunk(
    provisioner: Provisioner, run_id: str, attempt: int, part: Chunk, *, progress: Progress = lambda _: None
) -> TargetError | None:
    """Make the open changes of one part, and return the error for which some were left open, if any.

    Effect:  a repeat, and another process doing the same, are harmless. Between two batches it looks whether the run
             was paused, cancelled or taken over; a target that fails is waited for, a moment
    """
    target = provisioner.targets.get(part.target)
    with provisioner.databases.identity.read() as connection:
        run = runs.load_run(connection, run_id)
    if target is None or run is None:
        raise NotFound(f"there is no run {run_id}, or no target {part.target} any more")
    writer = _ChunkWriter(provisioner, replace(run, attempt=attempt), target, part, progress)
    for number in range(PASSES):
        if number and not writer.wait(provisioner.settings.target_retry_s * 2**number):
            break
        writer.error = None
        if not writer.go_through() or writer.error is None:
            break
    return writer.error


@dataclass(slots=True)
class _ChunkWriter:
    """Goes through the open changes of a part, batch by batch."""

    provisioner: Provisioner
    run: Run
    target: Target
    part: Chunk
    progress: Progress
    error: TargetError | None = None

    def go_through(self) -> bool:
        """Make every open change once; False when the run, or the target, has no use of another try now."""
        after = self.part.after
        while rows := self._rows(after):
            if not self._is_free(len(rows)):
                return False
            if not self._write(rows):
                return False
            after = rows[-1].number
        return True

    def _rows(self, after: int) -> list[ChangeRow]:
        with self.provisioner.databases.identity.read() as connection:
            return runs.changes_of(
                connection,
                self.run.run_id,
                after=after,
                upto=self.part.upto,
                limit=health.most_at_once(self.provisioner, self.target.kind),
                state=ChangeState.OPEN,
                target=self.target.kind,
                kinds=self.part.kinds,
            )

    def _is_free(self, count: int) -> bool:
        """Wait for the target's pace and for its circuit breaker; False when that takes too long."""
        found = health.health_of(self.provisioner, self.target.kind)
        if found is not None:
            closed_s = found.open_until - self.provisioner.clock.timestamp()
            if closed_s > self.provisioner.settings.target_patience_s:
                self.error = TargetUnavailable(found.error)
                return False
            if closed_s > 0 and not self.wait(closed_s):
                return False
        return self.wait(health.turn_in_s(self.provisioner, self.target.kind, count))

    def _write(self, rows: Sequence[ChangeRow]) -> bool:
        """Write one batch; False when the circuit breaker is open for longer than we wait."""
        writer = TargetWriter(self.provisioner, self.target, self.run.requested_by, self.run, self.progress)
        is_few = writer.are_alone(len(rows))
        stumbles = 1 if is_few else STUMBLES
        for stumbled in range(stumbles + 1):
            try:
                writes = [write_of(row) for row in self._open_among(rows, stumbled)]
                outcomes = writer.write(writes, one_by_one=stumbled == stumbles)
            except TargetError as error:
                self.error = error
                if is_few and stumbled < stumbles:  # it may be one of them: the target is asked after each
                    continue
                pause_s = health.note_failure(self.provisioner, self.target.kind, error)
                if pause_s > self.provisioner.settings.target_patience_s or not self.wait(pause_s):
                    return False
                continue
            return self._judge(writer, outcomes)
        return False

    def _open_among(self, rows: Sequence[ChangeRow], stumbled: int) -> Sequence[ChangeRow]:
        """Leave out what a batch had done before it stumbled."""
        if not stumbled:
            return rows
        with self.provisioner.databases.identity.read() as connection:
            still = runs.changes_of(
                connection,
                self.run.run_id,
                after=rows[0].number - 1,
                upto=rows[-1].number,
                state=ChangeState.OPEN,
                target=self.target.kind,
                kinds=self.part.kinds,
            )
        mine = {row.number for row in rows}
        return [row for row in still if row.number in mine]

    def _judge(self, writer: TargetWriter, outcomes: Outcomes) -> bool:
        failed = next((outcome.error for _, outcome in outcomes if outcome.error and outcome.error.retryable), None)
        if failed is not None:
            self.error = target_error(failed)
        pause_s = writer.note_health(outcomes)
        return pause_s == 0 or (pause_s <= self.provisioner.settings.target_patience_s and self.wait(pause_s))

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether the run is still to go on."""
        clock = self.provisioner.clock
        end = clock.timestamp() + seconds
        while True:
            with self.provisioner.databases.identity.read() as connection:
                if not runs.is_going(connection, self.run.run_id, self.run.attempt):
                    return False
            if (left_s := end - clock.timestamp()) <= 0:
                return True
            clock.sleep(max(0.001, min(SLICE_S, left_s)))
