"""What a plan over the limits needs: people who sign in for it and say that exactly this is right."""

from dataclasses import dataclass

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import Conflict, NeedsApproval, NotAllowed
from idp.permissions import Actor, Permission
from idp.provisioning import run_queries
from idp.provisioning.guard import sentence
from idp.provisioning.run import Approval, Run, RunKind, RunState
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.values import Kind

REMOVAL_APPROVALS = 2  # at least, of a removal after grace, whatever the settings say


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the approval of a plan is."""

    needed: int
    given: tuple[Approval, ...]

    @property
    def missing(self) -> int:
        """How many more people are needed."""
        return max(0, self.needed - len(self.given))


def needed_approvals(run: Run, settings: ProvisioningSettings) -> int:
    """Return how many people must approve a plan: none within the limits, more where entries are removed."""
    if run.kind is RunKind.REMOVAL and run.changes:
        return max(REMOVAL_APPROVALS, settings.removal_approvals)
    if not run.violations:
        return 0
    return settings.removal_approvals if _removes(run) else settings.approvals


def progress_of(connection: Connection, run: Run, settings: ProvisioningSettings) -> Progress:
    """Return who approved exactly this plan, and how many are needed."""
    return Progress(
        needed_approvals(run, settings), tuple(run_queries.approvals_of(connection, run.run_id, run.digest))
    )


def approve(
    databases: Databases, settings: ProvisioningSettings, run_id: str, digest: str, actor: Actor, clock: Clock
) -> Progress:
    """Keep a person's word for a plan, and return how far its approval is then.

    Shape:   digest: of the plan that the person was shown
    Raises:  NotFound; Conflict when the plan is not waiting, is another one by now, or this person has approved it,
             or when it is an undo and this is the last approval while the run that it takes back goes on;
             NotAllowed when this person may not, or may not approve this plan
    Effect:  run.approved; the last approval that is needed requests the run
    """
    actor.require(Permission.RUNS_APPROVE)
    now = clock.now()
    with databases.identity.write() as connection:
        # One after the other: of two who give the last word at once, neither would see the other's.
        run = run_queries.require_run(connection, run_id, alone=True)
        if run.state != RunState.AWAITING_APPROVAL:
            raise Conflict(f"run {run_id} is {run.state} and does not await approval")
        if run.digest != digest:
            raise Conflict("this is not the plan that you were shown: look at it again")
        if reason := why_not(run, actor, settings):
            raise NotAllowed(reason)
        factors = "+".join(actor.factors)
        new = Approval(run_id, actor.actor_id, digest, actor.name, factors, actor.terminal, now)
        if not run_queries.add_approval(connection, new):
            raise Conflict(f"{actor.name} has approved this run already")
        progress = progress_of(connection, run, settings)
        data = {"digest": digest, "factors": factors, "terminal": actor.terminal, "missing": progress.missing}
        event = Event(event_types.RUN_APPROVED, subject=run_id, actor=actor.actor_id, data=data)
        record(connection, now.timestamp(), event)
        if progress.missing == 0:
            refuse_if_taken_back(connection, run)
            run_queries.move(connection, run_id, RunState.APPROVED, requested_by=actor.actor_id)
    return progress


def why_not(run: Run, actor: Actor, settings: ProvisioningSettings) -> str:
    """Return why this person may not approve this plan, or ""."""
    if settings.own_run_may_approve:
        return ""
    if run.created_by == actor.actor_id:
        return f"{actor.name} started this run; somebody else must approve it"
    # A terminal belongs to whoever logged in on the machine, and says who started the run as well as we can know.
    if _removes(run) and actor.terminal and run.created_by == actor.terminal:
        return (
            f"this run removes entries and was started by {run.created_by}, whose terminal this is:"
            " whoever starts a run with removals does not approve it; others do, each by a login of their own"
        )
    return ""


def refuse_if_taken_back(connection: Connection, run: Run) -> None:
    """Return unless of a run and its undo one would write again what the other took back.

    Shape:   run: read `alone`, as the run that it takes back is here. So of two who begin both at once, one waits
    Raises:  Conflict
    """
    undone = None
    if run.kind is RunKind.UNDO and run.undoes is not None:
        undone = run_queries.load_run(connection, run.undoes, alone=True)
    if (undo := run_queries.undo_of(connection, run.run_id)) is not None:
        raise Conflict(f"run {run.run_id} was taken back by {undo}: make a new plan")
    if undone is not None and undone.goes_on:
        raise Conflict(f"run {undone.run_id}, which this one takes back, goes on; pause or cancel it first")


def refuse_unless_approved(connection: Connection, run: Run, settings: ProvisioningSettings) -> None:
    """Return if a plan is within the limits that held when it was made, or was approved as it is.

    Raises:  NeedsApproval, which says what is over, by how much, and what to type
    """
    if progress_of(connection, run, settings).missing:
        raise NeedsApproval(refusal(connection, run, settings))


def refusal(connection: Connection, run: Run, settings: ProvisioningSettings, *, is_shown: bool = False) -> str:
    """Return why a plan waits, how many people's approval it needs, and the command for it; "" when it need not wait.

    `is_shown`: the reader has the plan before them.

    Shape:   "ldap disable: 6,200 of 6,200, limit 124. Nothing was written. …: idp runs approve RUN --as YOUR-NAME"
    """
    progress = progress_of(connection, run, settings)
    if not progress.missing:
        return ""
    people = "one person" if progress.needed == 1 else f"{progress.needed} people"
    given = ", ".join(approval.name for approval in progress.given)
    so_far = f" ({given} did)" if given else ""
    why = sentence(run.violations) or "this run removes entries"
    look = "If it is" if is_shown else f"Look at it with `idp runs show {run.run_id}`; if it is"
    return (
        f"{why}. Nothing was written. {look} right,"
        f" {people} must approve exactly this plan{so_far}: idp runs approve {run.run_id} --as YOUR-NAME"
    )


def _removes(run: Run) -> bool:
    """Return whether a plan removes anybody, by its counts: removals within their own limit are removals, too."""
    return any(part.counts.get(Kind.REMOVE.value) for part in run.summary.values())
