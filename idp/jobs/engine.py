"""Execute runs with DBOS. Only this module imports DBOS, and only when there is a run.

DBOS remembers the finished steps of each chunk, and distributes chunks to the workers of all machines. Our own rows
hold the state of a run. If the engine loses, repeats or doubles a step, that costs only time. Decision 0005 explains
the settings of the engine.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import structlog

from idp.errors import IdpError
from idp.jobs import liveness
from idp.jobs.settings import JobsSettings
from idp.provisioning import run_queries
from idp.provisioning.chunk_writer import apply_chunk
from idp.provisioning.chunks import Chunk
from idp.provisioning.executor import begin, finish
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Run, Runner, RunState
from idp.provisioning.run_steps import next_run, release_abandoned

# Constant, so that workers also finish work of an older version. Raise it only when the ORDER of the steps in `run`
# changes. Then attempts in flight end in an error, and the sweep begins new ones.
ENGINE_VERSION = "1"
RUNS, PARTS = "runs", "parts"  # queues
ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
HOUR_S = 3600.0

log = structlog.get_logger(__name__)


class Stopping(BaseException):
    """This process ends: other workers take its current chunk."""


class Engine:
    """DBOS in this process, and the sweep that keeps our rows and its workflows consistent."""

    def __init__(self, provisioner: Provisioner, settings: JobsSettings, url: str, name: str) -> None:
        from dbos import DBOS, SetWorkflowID  # late: it costs 2 s and 64 MiB, which only a worker with a run should pay

        self._dbos = DBOS
        self._with_id = SetWorkflowID
        self._provisioner = provisioner
        self._settings = settings
        self._stopping = threading.Event()
        self._forgot_at = 0.0
        DBOS(
            config={
                "name": "idp",
                "application_version": ENGINE_VERSION,
                "executor_id": name,
                "system_database_url": url,
                "db_engine_kwargs": {"connect_args": {"application_name": name}}
                if url.startswith("postgresql")
                else {},
                "log_level": "WARNING",
                "scheduler_polling_interval_sec": 3600.0,  # our own schedules (idp.jobs.schedules)
            }
        )
        self._run, self._part = self._workflows()
        DBOS.launch()
        for queue, at_once in ((RUNS, 2), (PARTS, settings.chunks_at_once)):
            DBOS.register_queue(
                queue, worker_concurrency=at_once, polling_interval_sec=settings.poll_s, on_conflict="always_update"
            )
        log.info("engine started", executor=name)

    def close(self) -> None:
        """Stop, and leave unfinished work to other workers."""
        self._stopping.set()
        self._dbos.destroy(workflow_completion_timeout_sec=2)

    # --- workflows ---

    def _workflows(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the workflows of a run and of a chunk. Their shape is frozen: change only the steps."""
        dbos = self._dbos

        def step(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
            return dbos.step(name=name, retries_allowed=True, max_attempts=4, interval_seconds=0.5, backoff_rate=2.0)

        # Functions, because the engine sets attributes on them, and a method has none.
        @step("begin")
        def begin_(run_id: str, attempt: int) -> list[list[list[Any]]]:
            return self._begin(run_id, attempt)

        @step("write")
        def part_(run_id: str, attempt: int, fields: Sequence[Any]) -> str:
            return self._write(run_id, attempt, fields)

        @step("finish")
        def finish_(run_id: str, attempt: int) -> str:
            return self._finish(run_id, attempt)

        @dbos.workflow(name="part", max_recovery_attempts=20)
        def part(run_id: str, attempt: int, fields: Sequence[Any]) -> str:
            said: str = part_(run_id, attempt, fields)
            return said

        @dbos.workflow(name="run", max_recovery_attempts=20)
        def run(run_id: str, attempt: int) -> str:
            for phase in begin_(run_id, attempt):
                waiting = []
                for fields in phase:
                    with self._with_id("/".join([run_id, str(attempt), *map(str, fields)])):
                        waiting.append(dbos.enqueue_workflow(PARTS, part, run_id, attempt, fields))
                for one in waiting:
                    try:
                        one.get_result(polling_interval_sec=self._settings.poll_s)
                    except Exception as error:  # noqa: BLE001 - whatever a chunk failed with, its rows show its progress
                        log.warning("part failed", run=run_id, part=one.workflow_id, error=str(error)[:200])
            said: str = finish_(run_id, attempt)
            return said

        return run, part

    def _begin(self, run_id: str, attempt: int) -> list[list[list[Any]]]:
        try:
            begun = begin(self._provisioner, run_id, attempt, Runner.ENGINE, progress=self._go_on)
        except IdpError as error:  # the error is in the run's row
            log.warning("run not begun", run=run_id, code=error.code, error=str(error))
            return []
        phases = groupby(begun.chunks, key=lambda part: (part.target, part.way))
        return [[[part.target, part.way, part.number, part.size] for part in parts] for _, parts in phases]

    def _write(self, run_id: str, attempt: int, fields: Sequence[Any]) -> str:
        try:
            error = apply_chunk(self._provisioner, run_id, attempt, Chunk(*fields), progress=self._go_on)
        except IdpError as failure:
            error_said = f"{failure.code}: {failure}"
            log.warning("part failed", run=run_id, error=error_said)
            return error_said
        return "" if error is None else f"{error.code}: {error}"

    def _finish(self, run_id: str, attempt: int) -> str:
        result = finish(self._provisioner, run_id, attempt)
        said = {"done": result.done, "left": result.left, "rejected": result.rejected, "unverified": result.unverified}
        log.info("run ended", run=run_id, attempt=attempt, state=result.run.state, **said)
        return result.run.state

    def _go_on(self, _count: int) -> None:
        if self._stopping.is_set():
            raise Stopping

    # --- the sweep ---

    def sweep(self) -> int:
        """Return how many attempts were begun or reclaimed. Safe to repeat, and safe in several workers at once."""
        taken = self._take_over_orphans()
        run = release_abandoned(self._provisioner)
        if run is not None and run.runner == Runner.ENGINE:
            self._close_if_lost(run)
        self._forget_old()
        run = next_run(self._provisioner)
        return taken + (0 if run is None else self._enqueue(run.run_id, run.attempt + 1))

    def _take_over_orphans(self) -> int:
        """Return the work of dead workers to the queues: chunks, and the run that waits for them."""
        pending = self._dbos.list_workflows(status="PENDING", load_input=False, load_output=False)
        alive = liveness.alive(self._provisioner.databases, self._provisioner.clock) if pending else set()
        orphans = [one for one in pending if one.executor_id not in alive]
        for name in {one.executor_id for one in orphans if one.executor_id}:
            liveness.cut_off(self._provisioner.databases, name)
        for queue, name in ((RUNS, "run"), (PARTS, "part")):
            if ids := [one.workflow_id for one in orphans if one.name == name]:
                log.warning("taking over from a dead worker", workflows=len(ids), kind=name)
                # Named queues, because the engine's default queue has no limits.
                self._dbos.resume_workflows(ids, queue_name=queue)
        return len(orphans)

    def _close_if_lost(self, run: Run) -> None:
        """End an attempt that the engine has lost, or that made no progress for too long."""
        clock = self._provisioner.clock
        status = self._dbos.get_workflow_status(f"{run.run_id}/{run.attempt}")
        silent_s = clock.timestamp() - (run.progress_at or run.created_at).timestamp()
        if status is not None and status.status not in ENDED and silent_s <= self._settings.stuck_s:
            return
        if status is not None and status.status not in ENDED:
            self._dbos.cancel_workflow(status.workflow_id, cancel_children=True)
        error = f"attempt {run.attempt} was lost" if silent_s <= self._settings.stuck_s else "no progress"
        with self._provisioner.databases.identity.write() as connection:
            values = {"next_attempt_at": clock.now(), "error": error}
            run_queries.end_attempt(connection, run.run_id, run.attempt, RunState.INCOMPLETE, **values)
        log.warning("attempt closed", run=run.run_id, attempt=run.attempt, error=error)

    def _enqueue(self, run_id: str, attempt: int) -> int:
        status = self._dbos.get_workflow_status(f"{run_id}/{attempt}")
        if status is not None and status.status in ENDED:
            # It ended before the attempt started. The next attempt has another number.
            with self._provisioner.databases.identity.write() as connection:
                run_queries.skip_attempt(connection, run_id, attempt)
            return 0
        if status is not None:
            return 0
        with self._with_id(f"{run_id}/{attempt}"):
            self._dbos.enqueue_workflow(RUNS, self._run, run_id, attempt)
        return 1

    def _forget_old(self) -> None:
        """Once an hour, delete workflows that finished long ago."""
        now = self._provisioner.clock.timestamp()
        if now - self._forgot_at < HOUR_S:
            return
        self._forgot_at = now
        before = datetime.fromtimestamp(now, UTC) - timedelta(days=self._settings.keep_workflows_days)
        old = self._dbos.list_workflows(
            status=list(ENDED), name="run", end_time=before.isoformat(), limit=200, load_input=False, load_output=False
        )
        if old:
            self._dbos.delete_workflows([one.workflow_id for one in old], delete_children=True)


class EngineRunner:
    """The worker's sweep that executes runs. It starts the engine with the first run."""

    def __init__(self, provisioner: Provisioner, settings: JobsSettings, url: Callable[[], str], name: str) -> None:
        self._provisioner = provisioner
        self._settings = settings
        self._url = url
        self._name = name
        self._engine: Engine | None = None

    def __call__(self) -> int:
        if not self._settings.executes_runs:
            return 0
        if self._engine is None:
            if not self._is_needed():
                return 0
            self._engine = Engine(self._provisioner, self._settings, self._url(), self._name)
        return self._engine.sweep()

    def close(self) -> None:
        """End the engine, if it was started."""
        if self._engine is not None:
            self._engine.close()

    def _is_needed(self) -> bool:
        """Return whether there is a run to begin or to continue."""
        run = release_abandoned(self._provisioner)
        is_carried = run is not None and run.runner == Runner.ENGINE
        return is_carried or next_run(self._provisioner) is not None
