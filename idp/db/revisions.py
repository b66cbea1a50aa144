"""Check that the databases have this version of the program. Every command does, so it does not import Alembic."""

from pathlib import Path

from sqlalchemy import column, inspect, select, table

from idp.db.databases import Database, Databases
from idp.errors import ConfigError

MIGRATIONS = Path(__file__).parent / "migrations"


def newest_revision(name: str) -> str:
    """Return the newest revision of a database. Migration files are named by revision, which counts up."""
    return max(revisions(name))


def revisions(name: str) -> list[str]:
    """Return the revisions of a database in their order."""
    return sorted(file.stem.partition("_")[0] for file in (MIGRATIONS / name / "versions").glob("[0-9]*.py"))


def version_table(name: str) -> str:
    """Return the table in which Alembic stores a database's revision.

    The names differ, because on PostgreSQL both schemas are on the search path.
    """
    return f"{name}_revision"


def present_revision(name: str, database: Database) -> str | None:
    """Return the present revision of a database; None for an empty one."""
    with database.read() as connection:
        if not inspect(connection).has_table(version_table(name)):
            return None
        version = table(version_table(name), column("version_num"))
        revision: str | None = connection.execute(select(version.c.version_num)).scalar()
        return revision


def require_migrated(databases: Databases) -> None:
    """Raises:  ConfigError when a database is not at the newest revision; it names the command for the upgrade."""
    for name, database in (("identity", databases.identity), ("sessions", databases.sessions)):
        found, newest = present_revision(name, database), newest_revision(name)
        if found != newest:
            raise ConfigError(f"database {name} is at revision {found or 'none'}, {newest} is needed. Run `idp setup`.")
