"""Upgrade both databases to this version of the program, with Alembic."""

from collections.abc import Mapping
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from idp.db.databases import Database, Databases, UtcDateTime, identity_metadata, sessions_metadata
from idp.db.revisions import MIGRATIONS, version_table

NEWEST: Mapping[str, str] = {"identity": "head", "sessions": "head"}


def migrate(databases: Databases, revisions: Mapping[str, str] = NEWEST) -> dict[str, str]:
    """Upgrade each database to the newest revision, or to the given one, and return the revisions.

    Effect:  tables are created or altered. A repeat changes nothing
    """
    return {
        "identity": _upgrade("identity", databases.identity, identity_metadata, revisions["identity"]),
        "sessions": _upgrade("sessions", databases.sessions, sessions_metadata, revisions["sessions"]),
    }


def configuration(name: str, connection: Connection, metadata: MetaData) -> Config:
    """Return Alembic's configuration for one database over an open connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / name / "versions"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, metadata=metadata, version_table=version_table(name))
    return config


def plain_type(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Make Alembic write our types as database types, because migrations outlive our classes."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def _upgrade(name: str, database: Database, metadata: MetaData, revision: str) -> str:
    with database.write() as connection:
        if not database.is_sqlite:
            # Create both schemas before the first table: each database's search path names both.
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS identity"))
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS sessions"))
        command.upgrade(configuration(name, connection, metadata), revision)
        options = {"version_table": version_table(name)}
        return MigrationContext.configure(connection, opts=options).get_current_revision() or ""
