"""`[store]`: the location of the databases."""

from pathlib import Path
from typing import Annotated

from idp.settings import PostgresqlUrl, Section


class StoreSettings(Section):
    """`[store]`: SQLite files in a folder, or one PostgreSQL database for many machines."""

    folder: Annotated[Path, "Folder of the SQLite files identity.db and sessions.db."] = Path("data")
    postgresql_url: Annotated[
        PostgresqlUrl | None,
        "postgresql://user:password@host/database; given, it replaces the SQLite files. To another machine it needs"
        " ?sslmode=verify-full and sslrootcert.",
    ] = None
    busy_timeout_s: Annotated[float, "Seconds that a writer waits for another one before it gives up."] = 15.0
