"""`[portal]`: where eStudent's pages lead to."""

from typing import Annotated

from pydantic import Field

from idp.settings import Section

WEB_ADDRESS = r"^(https?://\S+)?$"


class PortalSettings(Section):
    """`[portal]`: an empty address leaves its link out."""

    fees_url: Annotated[str, "The fees application.", Field(pattern=WEB_ADDRESS)] = ""
    usosweb_url: Annotated[str, "USOSweb, or what the university has in its place.", Field(pattern=WEB_ADDRESS)] = (
        "https://usosweb.po.edu.pl"
    )
