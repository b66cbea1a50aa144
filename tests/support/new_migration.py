"""Write the next numbered migration of each database from the declared tables: `make migration NAME=…`."""

import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import MetaData

import idp.app.tables  # noqa: F401 - registers every table
from idp.db.databases import Database, identity_metadata, open_databases, sessions_metadata
from idp.db.migrate import configuration, migrate
from idp.db.revisions import MIGRATIONS, revisions
from idp.db.settings import StoreSettings


def write_migrations(name: str) -> list[Path]:
    """Return the files written; a database whose tables did not change gets none."""
    with tempfile.TemporaryDirectory() as folder:
        databases = open_databases(StoreSettings(folder=Path(folder)))
        try:
            migrate(databases)
            return [
                *_write("identity", databases.identity, identity_metadata, name),
                *_write("sessions", databases.sessions, sessions_metadata, name),
            ]
        finally:
            databases.close()


def _write(database_name: str, database: Database, metadata: MetaData, name: str) -> list[Path]:
    revision = f"{max(map(int, revisions(database_name)), default=0) + 1:04}"
    with database.write() as connection:
        config = configuration(database_name, connection, metadata)
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        script = command.revision(config, name, autogenerate=True, rev_id=revision)
    file = next((MIGRATIONS / database_name / "versions").glob(f"{revision}_*.py"))
    assert script is not None  # one revision was asked for
    if re.search(r"def upgrade\(\) -> None:\s+# ###[^#]*###\s+pass", file.read_text(encoding="utf-8")):
        file.unlink()
        return []
    return [file]


if __name__ == "__main__":
    for written in write_migrations(sys.argv[1]):
        sys.stdout.write(f"{written}\n")
