"""`[keys]`: where the keys are."""

from pathlib import Path
from typing import Annotated

from idp.settings import Section


class KeysSettings(Section):
    """`[keys]`: kept outside the database, so that a copy of the database alone reveals nothing."""

    folder: Annotated[Path, "Folder of the key files that `idp setup` makes (mode 600)."] = Path("keys")
