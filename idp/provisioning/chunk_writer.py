"""Make the open changes of one chunk of a run, batch by batch, at the target's pace; wait a moment when it fails."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from idp.errors import NotFound, TargetError, TargetUnavailable
from idp.provisioning import health, run_queries
from idp.provisioning.chunks import Chunk
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, ChangeState, Run
from idp.provisioning.writer import Progress, TargetWriter, target_error, write_of

SLICE_S = 0.25  # between two looks whether a run that waits was stopped
PASSES = 3  # over one chunk, for changes that may succeed a moment later
STUMBLES = 2  # of one batch in a target that answers, before its changes are made one by one


def apply_chunk(
    provisioner: Provisioner, run_id: str, attempt: int, chunk: Chunk, *, progress: Progress = lambda _: None
) -> TargetError | None:
    """Make the open changes of one chunk, and return the error for which some were left open, if any.

    Effect:  a repeat, and another process doing the same, are harmless. Between two batches it looks whether the run
             was paused, cancelled or taken over; a target that fails is waited for, a moment
    """
    run = replace(provisioner.read(run_queries.require_run, run_id), attempt=attempt)
    target = provisioner.targets.get(chunk.target)
    if target is None:
        raise NotFound(f"there is no target {chunk.target} any more")
    writer = _ChunkWriter(provisioner, run, chunk, TargetWriter(provisioner, target, run.requested_by, run, progress))
    for number in range(PASSES):
        if number and not writer.wait(provisioner.settings.target_retry_s * 2**number):
            break
        writer.error = None
        if not writer.go_through() or writer.error is None:
            break
    return writer.error


@dataclass(slots=True)
class _ChunkWriter:
    """Goes through the open changes of a chunk, batch by batch."""

    provisioner: Provisioner
    run: Run
    chunk: Chunk
    writer: TargetWriter
    error: TargetError | None = None

    def go_through(self) -> bool:
        """Make every open change once; False when the run, or the target, has no use of another try now."""
        after = self.chunk.after
        while rows := self._rows(after, self.chunk.upto):
            if not (self._wait_for_target(len(rows)) and self._write(rows)):
                return False
            after = rows[-1].number
        return True

    def _rows(self, after: int, upto: int) -> list[ChangeRow]:
        return self.provisioner.read(
            run_queries.changes_of,
            self.run.run_id,
            after=after,
            upto=upto,
            limit=health.most_at_once(self.provisioner, self.chunk.target),
            state=ChangeState.OPEN,
            target=self.chunk.target,
            kind=self.chunk.kinds,
        )

    def _wait_for_target(self, count: int) -> bool:
        """Wait for the target's pace and its circuit breaker; False, with the error, when that takes too long."""
        found = health.health_of(self.provisioner, self.chunk.target)
        open_s = 0.0 if found is None else found.open_until - self.provisioner.clock.timestamp()
        if found is not None and open_s > self.provisioner.settings.target_patience_s:
            self.error = TargetUnavailable(found.error)
            return False
        if open_s > 0 and not self.wait(open_s):
            return False
        return self.wait(health.turn_in_s(self.provisioner, self.chunk.target, count))

    def _write(self, rows: Sequence[ChangeRow]) -> bool:
        """Write one batch; False when the circuit breaker is open for longer than we wait."""
        first, last = rows[0].number, rows[-1].number
        is_few = self.writer.are_alone(len(rows))
        stumbles = 1 if is_few else STUMBLES
        for stumbled in range(stumbles + 1):
            try:
                outcomes = self.writer.write([write_of(row) for row in rows], one_by_one=stumbled == stumbles)
            except TargetError as error:
                self.error = error
                # If they are few, it may be one of them: the target is asked after each before it is blamed.
                is_blamed = not is_few or stumbled == stumbles
                pause_s = health.note_failure(self.provisioner, self.chunk.target, error) if is_blamed else 0.0
                if not self._wait_out(pause_s):
                    return False
                rows = self._rows(first - 1, last)  # what the batch had done before it stumbled is left out
                continue
            errors = [outcome.error for _, outcome in outcomes if outcome.error and outcome.error.retryable]
            if errors:
                self.error = target_error(errors[0])
            return self._wait_out(self.writer.note_health(outcomes))
        return False

    def _wait_out(self, pause_s: float) -> bool:
        return pause_s == 0 or (pause_s <= self.provisioner.settings.target_patience_s and self.wait(pause_s))

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether the run is still to go on."""
        clock = self.provisioner.clock
        end = clock.timestamp() + seconds
        while self.provisioner.read(run_queries.is_going, self.run.run_id, self.run.attempt):
            if (left_s := end - clock.timestamp()) <= 0:
                return True
            clock.sleep(max(0.001, min(SLICE_S, left_s)))
        return False
