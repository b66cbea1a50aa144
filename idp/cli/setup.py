"""`idp setup`: make what an installation needs before its first start; harmless to repeat."""

import click

from idp.app.settings import load_settings
from idp.db.databases import open_databases
from idp.db.migrate import migrate
from idp.keys.key_files import create_missing_keys


@click.command()
def setup() -> None:
    """Make missing keys and bring the databases to this version."""
    settings = load_settings()
    for file in create_missing_keys(settings.keys):
        click.echo(f"made {file}: keep a copy apart from the database's backup")
    databases = open_databases(settings.store)
    try:
        for name, revision in migrate(databases).items():
            click.echo(f"database {name}: {revision}")
    finally:
        databases.close()
