"""`make demo`: start everything, say where to go, and end everything with us."""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.demo import terminal
from deploy.demo.places import Places
from idp.cli.children import ChildEnded, Children, Stopped, end_with_parent
from idp.cli.granian import require_free_port
from idp.errors import ConfigError, IdpError

PROJECT = Path(__file__).parents[2]
DEFAULT_PORT = 8080
# What a killed demo left behind ends by itself, but not at once.
LEFTOVERS_END_WITHIN_S = 10.0


def main() -> int:
    """Run the demo until a signal ends it; return the exit code."""
    parser = argparse.ArgumentParser(prog="deploy.demo", description=__doc__)
    parser.add_argument("--reset", action="store_true", help="forget the people of earlier starts")
    options = parser.parse_args()
    # Until `Children` takes over, a signal simply ends us; a script's background job inherits SIGINT as ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "MAKELEVEL" in os.environ:
        end_with_parent()
    # The people are invented, but their passwords work: nobody else on this machine reads records and logs.
    os.umask(0o077)
    places = Places(PROJECT / "var" / "demo")
    try:
        port = _port(os.environ.get("IDP_PORT", ""))
        with _alone(places), Children(say=terminal.note, stop_within_s=7.0) as children:
            was_killed = places.access.exists()
            places.access.unlink(missing_ok=True)
            _require_free_ports(children, port, LEFTOVERS_END_WITHIN_S if was_killed else 0.0)
            if options.reset:
                shutil.rmtree(places.folder, ignore_errors=True)
            places.folder.mkdir(parents=True, exist_ok=True)
            try:
                _run(places, children, port)
            finally:
                places.access.unlink(missing_ok=True)
    except Stopped:
        terminal.say("\nStopped. Your data are kept; `make demo` goes on with them, `make demo-reset` begins anew.")
    except (ChildEnded, IdpError) as problem:
        terminal.complain(str(problem))
        return 1
    return 0


def _run(places: Places, children: Children, port: int) -> None:
    # Imported late: the whole service takes seconds to import, and a left-over access.json must go at once.
    from deploy.demo.demo import Demo
    from deploy.openldap.private import SlapdFailed

    try:
        Demo(places, children, port).run()
    except SlapdFailed as problem:
        raise ConfigError(str(problem)) from problem


def _port(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65534):
        raise ConfigError(f"IDP_PORT={text}: a port between 1 and 65534; the fees application takes the next one.")
    return int(text)


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """Refuse a second demo in this folder; one in a copied folder is another one."""
    places.lock.parent.mkdir(parents=True, exist_ok=True)
    with places.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"The demo of this folder runs already; {places.access} says where. Stop it first, "
                "or copy the whole folder and start the copy with another IDP_PORT."
            ) from None
        yield


def _require_free_ports(children: Children, port: int, patience_s: float) -> None:
    """Before anything is started: the web's port and the next one, for the fees application, must be free."""
    end = time.monotonic() + patience_s
    while True:
        try:
            for number in (port, port + 1):
                require_free_port("127.0.0.1", number, "IDP_PORT")
        except ConfigError:
            if time.monotonic() > end:
                raise
            children.wait(0.2)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
