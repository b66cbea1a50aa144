"""`idp serve`: the web server and the worker as children of one process."""

import sys

import click

from idp.app.settings import Settings, load_settings
from idp.cli.children import ChildEnded, Children, Command, Stopped
from idp.cli.granian import granian_command, require_free_port
from idp.store.base import open_databases
from idp.store.keys import load_keys
from idp.store.revisions import require_migrated


@click.command()
def serve() -> None:
    """Start the web server and its worker; SIGTERM or SIGINT stops both within 10 s."""
    settings = load_settings()
    _require_set_up(settings)
    require_free_port(settings.web.host, settings.web.port, "web.port")
    sys.exit(run(settings))


def run(settings: Settings) -> int:
    """Serve until a signal comes, and return the exit code.

    Effect:  a worker that ends is started again; the end of the web server is the end of both, so that whoever
             watches us (systemd, the demo) learns of it
    """
    web = settings.web
    pages = granian_command("idp.app.pages:create_app", web.host, web.port, web.workers, web.blocking_threads)
    # Shorter than what systemd or the demo grant us.
    with Children(say=_say, stop_within_s=6.5) as children:
        try:
            children.start(Command("web server", pages))
            children.start(Command("worker", [sys.executable, "-m", "idp", "worker"], restart=True))
            children.watch()
        except Stopped:
            return 0
        except ChildEnded as ended:
            _say(str(ended))
            return 1


def _require_set_up(settings: Settings) -> None:
    """Say once what would end the children one by one; the store is enough for it and is imported in half the time.

    Raises:  ConfigError
    """
    load_keys(settings.keys)
    databases = open_databases(settings.store)
    try:
        require_migrated(databases)
    finally:
        databases.close()


def _say(sentence: str) -> None:
    click.echo(f"idp serve: {sentence}", err=True)
