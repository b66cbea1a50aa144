"""`[jobs]`: the worker."""

from typing import Annotated

from pydantic import Field

from idp.settings import Section


class JobsSettings(Section):
    """`[jobs]`: how often the worker looks for work."""

    interval_s: Annotated[float, "Seconds between two rounds when there is nothing to do.", Field(gt=0)] = 1.0
    liveness_s: Annotated[float, "Seconds of silence after which a worker counts as gone.", Field(gt=0)] = 30.0
