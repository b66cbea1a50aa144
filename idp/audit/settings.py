"""`[audit]`: the journal."""

from typing import Annotated

from pydantic import Field

from idp.settings import Section


class AuditSettings(Section):
    """`[audit]`: how events are chained."""

    batch: Annotated[int, "Events that the sealer chains in one transaction.", Field(ge=1)] = 1000
    lease_s: Annotated[float, "Seconds after which another worker may seal when one has vanished.", Field(gt=0)] = 15.0
