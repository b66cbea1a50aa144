"""The database of the fees application: how it is opened, brought to this version, and how a transaction begins.

It is our own, apart from the identity service's: one SQLite file, or the schema `fees` of a PostgreSQL database.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from idp.db import databases
from idp.errors import ConfigError
from idp.fees.settings import FeesSettings
from idp.files import create_private
from idp.settings import FEES_PREFIX, not_set_up, require_private

MIGRATIONS = Path(__file__).parent / "migrations"
KEY_BYTES = 64


class Database(databases.Database):
    """The opened database."""

    @contextmanager
    def write_alone(self) -> Iterator[Connection]:
        """Yield a connection as `write` does, when no other such transaction runs: what is looked up stays true.

        For imports, charges and payments. On SQLite every writer is alone.
        """
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('idp.fees.ledger'))"))
            yield connection

    def close(self) -> None:
        """Give every pooled connection back to the system."""
        self.engine.dispose()


def open_database(settings: FeesSettings) -> Database:
    """Return the database; connections are made on first use. It is about money: every commit reaches the disk."""
    if settings.postgresql_url is not None:
        url = settings.postgresql_url.get_secret_value()
        return Database(databases.postgresql_engine(url, "fees", durable=True))
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Database(databases.sqlite_engine(database_file(settings), settings.busy_timeout_s, "FULL"))


def require_made(settings: FeesSettings) -> None:
    """Return if the file of the database is there: opening would make an empty one.

    Raises:  ConfigError, which says what to do
    """
    file = database_file(settings)
    if settings.postgresql_url is None and not file.exists():
        raise not_set_up(file, "idp fees setup", FEES_PREFIX)


def database_file(settings: FeesSettings) -> Path:
    """Return the SQLite file of the ledger."""
    return settings.folder / "fees.db"


def migrate(database: Database) -> str:
    """Return the revision after bringing the database to the newest.

    Effect:  tables are made or altered; a repeat changes nothing
    """
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS fees"))
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return MigrationContext.configure(connection).get_current_revision() or ""


def require_migrated(database: Database) -> None:
    """Raises:  ConfigError when the database is not at the newest revision; it names the command that mends it."""
    newest = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != newest:
        raise ConfigError(
            f"The fees database is at revision {found or 'none'}, {newest} is needed. Run `idp fees setup`."
        )


def key_file(settings: FeesSettings) -> Path:
    """Return where the key lies that signs forms; on several machines it must be the same file."""
    return settings.folder / "forms.key"


def create_missing_key(settings: FeesSettings) -> Path | None:
    """Return the key file if it was made now. Effect: an existing key is left alone."""
    file = key_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        create_private(file, secrets.token_hex(KEY_BYTES).encode())
    except FileExistsError:
        return None
    return file


def load_key(settings: FeesSettings) -> bytes:
    """Return the key.

    Raises:  ConfigError when there is none, it is not whole, or others may read it
    """
    file = key_file(settings)
    try:
        require_private("fees.folder", file)
        key = bytes.fromhex(file.read_text(encoding="ascii"))
    except OSError as exc:
        raise ConfigError(f"{file}: no key of the fees application. Run `idp fees setup`.") from exc
    except ValueError:
        key = b""
    # An empty or cut file would be a key that somebody can guess.
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{file} is not a whole key. Restore it from backup, or remove it and run `idp fees setup`.")
    return key
