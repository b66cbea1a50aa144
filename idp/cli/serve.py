"""`idp serve`: the web server and the worker as children of one process."""

import http.client
import sys

import click

from idp.app.installation import Idp
from idp.app.pages import new_application
from idp.app.settings import Settings, load_settings
from idp.cli.children import ChildEnded, Children, Command, Stopped
from idp.cli.granian import require_free_port, serve_pages
from idp.cli.worker import commands as worker_commands
from idp.clock import Clock
from idp.db.revisions import require_migrated


@click.command()
def serve() -> None:
    """Run the web server and a worker. SIGTERM or SIGINT stops both within 10 seconds."""
    settings = load_settings()
    require_free_port(settings.web.host, settings.web.port, "web.port")
    _make_once(settings)
    sys.exit(run(settings))


def run(settings: Settings) -> int:
    """Serve until a signal comes, and return the exit code.

    Effect:  a worker that ends is started again. If the web server ends, everything ends, so that systemd notices.
    """
    web = settings.web

    def serve() -> None:
        serve_pages("idp.app.pages:create_app", web.host, web.port, web.workers, web.blocking_threads)

    # Shorter than the time that systemd or the demo give us.
    with Children(say=_say, stop_within_s=6.5) as children:
        try:
            children.start(Command("web server", call=serve))
            for command in worker_commands():
                children.start(command)
            while not _answers(web.host, web.port):
                children.wait(timeout_s=0.2)
            _say(f"serving {web.base_url} on {web.host}:{web.port}")
            children.watch()
        except Stopped:
            return 0
        except ChildEnded as ended:
            _say(str(ended))
            return 1


def _make_once(settings: Settings) -> None:
    """Create the application once before the processes do, so that an error is printed once and they share its imports.

    Raises:  ConfigError
    """
    installation = Idp(settings, Clock())
    try:
        require_migrated(installation.databases)
        new_application(installation)
    finally:
        installation.close()


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _say(sentence: str) -> None:
    click.echo(f"idp serve: {sentence}", err=True)
