"""`[jobs]`: the worker."""

from typing import Annotated, Literal

from pydantic import Field

from idp.settings import Section

WallTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class JobsSettings(Section):
    """`[jobs]`: how often the worker looks for work, the engine that carries runs, and what is done at which times.

    Times are the university's wall clock, in its time zone. The daily sync is at `university.sync_hour`.
    """

    interval_s: Annotated[
        float, "Seconds between two rounds of the bulk lane when there is nothing to do.", Field(gt=0)
    ] = 1.0
    fast_interval_s: Annotated[
        float, "Seconds between two looks of each part of the fast lane when there is nothing to do.", Field(gt=0)
    ] = 0.25
    liveness_s: Annotated[
        float, "Seconds of silence after which a worker counts as gone and others take over its work.", Field(gt=0)
    ] = 15.0
    carries_runs: Annotated[bool, "Whether this worker carries out runs; its engine starts with the first one."] = True
    parts_at_once: Annotated[int, "Portions of a run that one worker writes at the same time.", Field(ge=1, le=16)] = 2
    poll_s: Annotated[float, "Seconds between two looks of the engine into its queues.", Field(ge=0.05)] = 0.2
    stuck_s: Annotated[
        float, "Seconds without any progress after which a run is taken from its workers and begun anew.", Field(gt=0)
    ] = 600.0
    keep_workflows_days: Annotated[int, "Days that the engine keeps what it has finished.", Field(ge=0)] = 7
    pick_up_at: Annotated[list[WallTime], "Times of day at which the registry's inbox is emptied."] = [
        "06:00",
        "09:00",
        "15:00",
        "18:00",
        "21:00",
    ]
    everything_at: Annotated[WallTime, "Time at which everybody is compared with all that the targets have."] = "03:30"
    everything_on: Annotated[
        list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], "The days on which that is done."
    ] = ["sun"]
