"""`[store]`: where the databases are."""

from pathlib import Path
from typing import Annotated

from pydantic import SecretStr

from idp.settings import Section


class StoreSettings(Section):
    """`[store]`: SQLite files in a folder, or one PostgreSQL database for many machines."""

    folder: Annotated[Path, "Folder of the SQLite files identity.db and sessions.db."] = Path("data")
    postgresql_url: Annotated[
        SecretStr | None, "postgresql://user:password@host/database; given, it replaces the SQLite files."
    ] = None
    busy_timeout_s: Annotated[float, "Seconds that a writer waits for another one before it gives up."] = 15.0
