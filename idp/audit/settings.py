"""`[audit]`: the journal."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from idp.settings import Section


class AuditSettings(Section):
    """`[audit]`: sealing and checkpoints."""

    batch: Annotated[int, "Events that the sealer chains in one transaction.", Field(ge=1)] = 1000
    lease_s: Annotated[float, "Seconds after which another worker may seal when one has vanished.", Field(gt=0)] = 15.0
    checkpoint_s: Annotated[float, "Seconds between two signed checkpoints of a journal that grows.", Field(gt=0)] = (
        300.0
    )
    checkpoint_file: Annotated[
        Path | None, "File that checkpoints are added to; best on another machine. They are log lines in any case."
    ] = None
