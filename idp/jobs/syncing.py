"""Sync: import the files of the inbox, plan what changed, and apply the plan if it is within limits."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import Conflict, IdpError, TargetError, TargetUnavailable
from idp.jobs.schedules import Done
from idp.keys.key_files import Keys
from idp.people.change_queries import count_changes
from idp.people.status import AccessPolicy
from idp.permissions import SYSTEM, SYSTEM_ID
from idp.provisioning.executor import apply_run
from idp.provisioning.guard import sentence
from idp.provisioning.health import pause_s
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import Run
from idp.provisioning.run_steps import awaiting_runs, has_worker, paused_runs, request
from idp.provisioning.state_queries import has_work
from idp.registry.imports import import_file
from idp.registry.inbox import Taken, finished, forget_old, take_all
from idp.registry.queries import newest_import_id
from idp.registry.results import ImportResult
from idp.registry.settings import RegistrySettings

OTHERS_S = 15.0  # that another worker has to apply what it imported, before we do it

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sync:
    """What a sync needs, and its steps."""

    databases: Databases
    keys: Keys
    registry: RegistrySettings
    policy: AccessPolicy
    clock: Clock
    zone: ZoneInfo
    provisioner: Provisioner

    def pick_up(self) -> Done:
        """Import the files of the inbox and apply what they changed. Without files, do nothing."""
        taken = self._take_inbox()
        return self._carried_out(taken) if any(one.result for one in taken) else Done(_files(taken) or "no files")

    def sync(self) -> Done:
        """Import the files of the inbox and apply everything that is not as desired."""
        return self._carried_out(self._take_inbox())

    def everything(self) -> Done:
        """Compare everybody with whole targets and apply the differences."""
        return self._carried_out([], Scope.ALL)

    def take_finished(self) -> list[Taken]:
        """Import finished files of the inbox now, if the settings say so.

        Raises:  Conflict while somebody else imports
        """
        inbox = self.registry.inbox
        if inbox is None or not self.registry.inbox_at_once:
            return []
        if not finished(inbox, self.clock.timestamp(), self.registry.inbox_settle_s):
            return []
        return self._take_inbox()

    def carry_out(self, taken: Sequence[Taken]) -> Done:
        """Apply what files changed.

        Raises:  Conflict while somebody else plans or applies; TargetError
        """
        return self._carried_out(taken)

    def forget(self) -> int:
        """Delete imported files after their time."""
        inbox = self.registry.inbox
        return 0 if inbox is None else forget_old(inbox, self.clock.now(), self.registry.inbox_keep_days)

    # --- files ---

    def _take_inbox(self) -> list[Taken]:
        inbox = self.registry.inbox
        if inbox is None:
            return []
        taken = take_all(self.databases, inbox, self.clock.now(), self.registry.inbox_settle_s, self._import)
        for one in taken:
            if one.refusal:
                log.warning("file refused", file=one.name, reason=one.refusal, why=one.why)
        return taken

    def _import(self, file: Path, is_delta: bool) -> ImportResult:
        return import_file(
            self.databases,
            self.keys,
            self.registry,
            self.policy,
            self.clock,
            self.zone,
            file,
            delta=is_delta,
            actor=SYSTEM,
        )

    # --- runs ---

    def _carried_out(self, taken: Sequence[Taken], scope: Scope = Scope.CHANGED) -> Done:
        """Apply what is pending in targets that answer.

        Raises:  TargetUnavailable at the end if a target did not answer: its work is still pending
        """
        run = self._plan(scope)
        done = self._done(_files(taken), run)
        if run is not None and run.unread:
            log.warning("carried out in part", done=done.note, run=run.run_id, unread=run.unread)
            raise TargetUnavailable(run.unread)
        return done

    def _done(self, files: str, run: Run | None) -> Done:
        if run is None or not run.changes:
            if waiting := awaiting_runs(self.provisioner):
                what = f"nothing to change besides what waits for approval: {sentence(waiting[-1].violations)}"
                return Done(f"{files}{what}", waiting[-1].run_id, waits=True)
            if paused := paused_runs(self.provisioner):
                return Done(f"{files}nothing to change besides what is paused", paused[-1].run_id)
            return Done(f"{files}nothing to change", run.run_id if run else "")
        if run.violations:
            log.warning("a plan waits for approval", run=run.run_id, over=sentence(run.violations))
            return Done(f"{files}waits for approval: {sentence(run.violations)}", run.run_id, waits=True)
        return Done(f"{files}{self._apply(run)}", run.run_id)

    def _plan(self, scope: Scope) -> Run | None:
        """Return a new plan without the people of other plans; None if nobody is left.

        People of a plan that awaits approval, or of a paused run, stay there. Everybody else is still provisioned.
        """
        if scope is Scope.CHANGED and not self._is_anything_to_do():
            return None
        return make_plan(self.provisioner, SYSTEM, scope=scope)

    def _is_anything_to_do(self) -> bool:
        with self.databases.identity.read() as connection:
            return bool(count_changes(connection)) or has_work(connection)

    def _apply(self, run: Run) -> str:
        """Apply a plan: a small one here, a large one by all workers if they execute runs."""
        if run.changes > self.provisioner.settings.sweep_people and has_worker(self.provisioner):
            request(self.provisioner, run.run_id, SYSTEM)
            return f"{run.changes:,} changes handed to the workers"
        result = apply_run(self.provisioner, run.run_id, SYSTEM)
        return f"{result.done:,} changes written" + ("" if result.is_complete else f", {result.left:,} left")


@dataclass(slots=True)
class InboxWatch:
    """A sweep that imports files of the inbox as soon as they are finished, and applies what they changed.

    If a run is busy or a target does not answer, the work stays pending and is tried again. An import by the system
    that no worker has applied counts as pending work. So nothing is lost when a worker dies or restarts.
    """

    sync: Callable[[], Sync]
    _taken: list[Taken] = field(default_factory=list, init=False)
    # The last import by the system that was applied completely; None: a new worker.
    _settled: str | None = field(default=None, init=False)
    _noticed: str = field(default="", init=False)
    _not_before: float = field(default=0.0, init=False)
    _tries: int = field(default=0, init=False)

    def __call__(self) -> int:
        sync = self.sync()
        with suppress(Conflict):
            self._taken += sync.take_finished()
        with sync.databases.identity.read() as connection:
            newest = newest_import_id(connection, SYSTEM_ID) or ""
            if self._settled is None:
                self._start_from(newest, newest_import_id(connection) or "")
        if newest == self._settled:
            self._taken = []
            return 0
        now = sync.clock.timestamp()
        is_new, self._noticed = newest != self._noticed, newest
        if is_new and not any(one.result for one in self._taken):
            # Another worker imported files just now. It applies them, if it is alive.
            self._not_before = now + OTHERS_S
        if now < self._not_before:
            return 0
        try:
            done = sync.carry_out(self._taken)
        except Conflict:
            return 0
        except TargetError as error:
            self._tries += 1
            self._not_before = now + pause_s(sync.provisioner, self._tries)
            log.warning("not carried out yet", files=len(self._taken), error=str(error), tries=self._tries)
            return 0
        except IdpError as error:  # a human must look; the next sync tries again
            log.warning("not carried out", files=len(self._taken), code=error.code, error=str(error))
        else:
            log.info("inbox", done=done.note, run=done.run_id)
        count, self._taken = len(self._taken), []
        self._settled, self._tries = newest, 0
        return count

    def _start_from(self, ours: str, last: str) -> None:
        """As a new worker, ignore imports by people and everything before them: people apply those."""
        self._settled = "" if ours == last else ours
        self._noticed = ours


def _files(taken: Sequence[Taken]) -> str:
    told = (
        f"{one.name}: {one.result.added} added, {one.result.changed} changed"
        if one.result
        else f"{one.name}: refused ({one.refusal})"
        for one in taken
    )
    return "".join(f"{each}; " for each in told)
