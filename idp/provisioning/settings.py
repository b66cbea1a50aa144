"""`[provisioning]`: limits, chunks and retries."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from idp.db.backoff import Backoff
from idp.provisioning.guard import LOSE_RIGHTS, Limits
from idp.provisioning.target_states import Patience
from idp.provisioning.values import Kind
from idp.settings import Section

_SHARE = Field(ge=0, le=1)
_COUNT = Field(ge=0)


class LimitSettings(Section):
    """`[provisioning.limits]`: the most that one run may change in one target; over any of these it awaits approval.

    The share counts from the floor on: so many people may always be touched. The count holds whatever the share says.
    What the worker does by itself counts together over 24 hours.
    """

    create_share: Annotated[float, "Part of our entries that may be added at once; a first load is free.", _SHARE] = 0.5
    create_floor: Annotated[int, "So many may always be added.", _COUNT] = 500
    create_count: Annotated[int, "Never more may be added at once.", _COUNT] = 5000
    update_share: Annotated[float, "Part of our entries whose attributes may change at once.", _SHARE] = 0.1
    update_floor: Annotated[int, "So many may always change.", _COUNT] = 100
    update_count: Annotated[int, "Never more may change at once.", _COUNT] = 5000
    rename_share: Annotated[float, "Part of our entries that may be renamed at once.", _SHARE] = 0.01
    rename_floor: Annotated[int, "So many may always be renamed.", _COUNT] = 10
    rename_count: Annotated[int, "Never more may be renamed at once.", _COUNT] = 500
    disable_share: Annotated[float, "Part of our entries that may be disabled at once.", _SHARE] = 0.02
    disable_floor: Annotated[int, "So many may always be disabled.", _COUNT] = 50
    disable_count: Annotated[int, "Never more may be disabled at once.", _COUNT] = 1000
    enable_share: Annotated[float, "Part of our entries that may be enabled again at once.", _SHARE] = 0.02
    enable_floor: Annotated[int, "So many may always be enabled again.", _COUNT] = 50
    enable_count: Annotated[int, "Never more may be enabled again at once.", _COUNT] = 1000
    remove_share: Annotated[float, "Part of our entries that may be removed at once.", _SHARE] = 0.0
    remove_floor: Annotated[int, "So many may always be removed.", _COUNT] = 0
    remove_count: Annotated[int, "Never more may be removed at once.", _COUNT] = 0

    lose_rights_share: Annotated[float, "Part of our entries that may lose student rights at once.", _SHARE] = 0.05
    lose_rights_floor: Annotated[int, "So many may always lose student rights.", _COUNT] = 50
    lose_rights_count: Annotated[int, "Never more may lose student rights at once.", _COUNT] = 1000

    def by_kind(self) -> Mapping[str, Limits]:
        """Return the limits as the guard takes them."""
        return {
            str(kind): Limits(
                getattr(self, f"{kind}_share"), getattr(self, f"{kind}_floor"), getattr(self, f"{kind}_count")
            )
            for kind in (*Kind, LOSE_RIGHTS)
        }


class TargetSettings(Section):
    """Settings of every `[targets.…]`."""

    per_second: Annotated[float, "Maximum of writes per second by all workers; 0: no limit.", Field(ge=0)] = 0.0


class ProvisioningSettings(Section):
    """`[provisioning]`: how runs write to targets, and what the worker does by itself."""

    limits: Annotated[LimitSettings, "Maximum of changes of each kind in one run."] = LimitSettings()
    target_limits: Annotated[
        dict[str, LimitSettings], "Other limits for one target. Limits not named here are those of `limits`."
    ] = {}
    approvals: Annotated[int, "People who must approve a plan that exceeds a limit.", Field(ge=1, le=9)] = 1
    removal_approvals: Annotated[
        int, "People who must approve a plan that exceeds a limit and removes entries.", Field(ge=1, le=9)
    ] = 2
    own_run_may_approve: Annotated[
        bool, "The person who started a run may also approve it. With removals, also everybody at the same terminal."
    ] = False
    batch: Annotated[int, "Changes written to a target between two commits of the journal.", Field(ge=1, le=5000)] = 500
    sweep_people: Annotated[
        int, "People changed by an import whom the worker writes by itself. More people wait for `idp apply`."
    ] = 200
    chunk: Annotated[int, "Changes in one chunk of a run. A worker takes one chunk at a time.", Field(ge=1)] = 1000
    canary: Annotated[
        int, "People of a run who are written and checked before all others; 0: nobody. Smaller runs have no canary."
    ] = 20
    max_attempts: Annotated[
        int, "Refusals of one person by a target in a row, after which the person is given up.", Field(ge=1)
    ] = 8
    target_retry_s: Annotated[float, "Seconds without calls to a target after a failure; doubled each time."] = 0.5
    target_retry_most_s: Annotated[float, "Longest time without calls to a failing target.", Field(gt=0)] = 20.0
    target_patience_s: Annotated[
        float, "Seconds that a run waits for a failing target before it continues with other targets."
    ] = 5.0
    keep_runs_days: Annotated[
        int, "Days for which runs and their changes are kept. Deleted runs cannot be undone.", Field(ge=1)
    ] = 400
    remove_after_days: Annotated[
        int,
        "Days after the records closed a person until `idp plan --removals` removes the entries; 0: nobody is removed.",
        Field(ge=0),
    ] = 0
    removal_notice_days: Annotated[
        int, "Days between the letter that announces a removal and the removal.", Field(ge=1, le=366)
    ] = 30
    drift_s: Annotated[
        float, "Seconds between two searches for drift in the targets; 0: only on command.", Field(ge=0)
    ] = 60.0
    retry_s: Annotated[float, "Seconds until a failed person is tried again; doubled each time.", Field(gt=0)] = 5.0
    retry_most_s: Annotated[float, "Longest wait between two attempts for one person.", Field(gt=0)] = 900.0

    @property
    def patience(self) -> Patience:
        """Return how often and how soon failed work is tried again."""
        return Patience(self.max_attempts, self.retry_s, self.retry_most_s, self.target_retry_most_s)

    @property
    def target_backoff(self) -> Backoff:
        """Return the waits of a failing target, and of an incomplete run."""
        return Backoff(self.target_retry_s, self.target_retry_most_s, jitter=0.25)

    def limits_of(self, target: str) -> Mapping[str, Limits]:
        """Return the limits of one target, for the guard."""
        own = self.target_limits.get(target)
        changed = own.model_dump(exclude_unset=True) if own else {}
        return self.limits.model_copy(update=changed).by_kind()
