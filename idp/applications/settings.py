"""`[applications]`: where the registered applications are."""

from pathlib import Path
from typing import Annotated

from idp.settings import Adds, Section


class ApplicationsSettings(Section):
    """`[applications]`: the applications that people sign in to."""

    dirs: Annotated[list[Path], "Folders with the registered applications, one TOML file per application.", Adds()] = []
