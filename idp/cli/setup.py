"""`idp setup`: create what an installation needs before its first start. A repeat is harmless."""

import click

from idp.app.settings import load_settings
from idp.cli.support import counted_people
from idp.db.databases import Databases, open_databases
from idp.db.migrate import migrate
from idp.db.revisions import present_revision
from idp.errors import ConfigError
from idp.keys.key_files import Purpose, create_missing_keys, missing_purposes
from idp.people.queries import count_people


@click.command()
def setup() -> None:
    """Create missing keys and upgrade the databases to this version. A repeat is harmless."""
    settings = load_settings()
    databases = open_databases(settings.store)
    try:
        if missing := missing_purposes(settings.keys):
            _refuse_beside_people(databases, missing)
        for file in create_missing_keys(settings.keys):
            click.echo(f"made {file}: keep a copy apart from the database's backup")
        for name, revision in migrate(databases).items():
            click.echo(f"database {name}: {revision}")
    finally:
        databases.close()


def _refuse_beside_people(databases: Databases, missing: list[Purpose]) -> None:
    """Return if the database has no people. With new keys, nobody in it would be recognised.

    Raises:  ConfigError
    """
    if present_revision("identity", databases.identity) is None:
        return
    with databases.identity.read() as connection:
        people = count_people(connection)
    if people:
        names = ", ".join(purpose.value for purpose in missing)
        raise ConfigError(f"the database has {counted_people(people)}, but no key for {names}: restore it from backup.")
