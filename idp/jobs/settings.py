"""`[jobs]`: the worker."""

from typing import Annotated, Literal

from pydantic import Field

from idp.settings import Section

WallTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class JobsSettings(Section):
    """`[jobs]`: how often the worker looks for work, the engine that executes runs, and the times of schedules.

    Times are the university's wall clock, in its time zone. The daily sync is at `university.sync_hour`.
    """

    interval_s: Annotated[
        float, "Seconds between two rounds of the bulk lane when there is nothing to do.", Field(gt=0)
    ] = 1.0
    fast_interval_s: Annotated[
        float, "Seconds between two looks of each part of the fast lane when there is nothing to do.", Field(gt=0)
    ] = 0.25
    liveness_s: Annotated[
        float,
        "Seconds without a heartbeat after which a worker counts as dead and others reclaim its work.",
        Field(gt=0),
    ] = 15.0
    executes_runs: Annotated[bool, "Whether this worker executes runs. Its engine starts with the first run."] = True
    chunks_at_once: Annotated[int, "Chunks of a run that one worker writes at the same time.", Field(ge=1, le=16)] = 2
    poll_s: Annotated[float, "Seconds between two looks of the engine at its queues.", Field(ge=0.05)] = 0.2
    stuck_s: Annotated[
        float, "Seconds without progress after which a run is taken from its workers and started again.", Field(gt=0)
    ] = 600.0
    keep_workflows_days: Annotated[int, "Days for which the engine keeps finished workflows.", Field(ge=0)] = 7
    pick_up_at: Annotated[list[WallTime], "Times of day at which the registry's inbox is imported."] = [
        "06:00",
        "09:00",
        "15:00",
        "18:00",
        "21:00",
    ]
    everything_at: Annotated[WallTime, "Time of the whole comparison of everybody with all targets."] = "03:30"
    everything_on: Annotated[
        list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], "Days of the whole comparison."
    ] = ["sun"]
