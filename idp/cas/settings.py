"""`[cas]`: the life of its tickets."""

from typing import Annotated

from pydantic import Field

from idp.settings import Section


class CasSettings(Section):
    """`[cas]`: the CAS protocol's own settings."""

    service_ticket_s: Annotated[float, "Seconds that a service ticket lives.", Field(gt=0, le=300)] = 10
    proxy_ticket_s: Annotated[float, "Seconds that a proxy ticket lives.", Field(gt=0, le=300)] = 10
