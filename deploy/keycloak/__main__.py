"""`make keycloak`: start a Keycloak that students can be written to, say where it is, and end it with us."""

import os
import signal
import sys
from pathlib import Path

from deploy.keycloak.install import VERSION, KeycloakFailed, install
from deploy.keycloak.private import ADMIN, LOAD, PROVISIONING, PrivateKeycloak
from idp.cli.children import end_with_parent

PROJECT = Path(__file__).parents[2]
DEFAULT_PORT = 8180


def main() -> int:
    """Run it until a signal ends it; return the exit code."""
    # SIGTERM as Ctrl-C: whichever comes, in the middle of the start as well, `stop` is reached.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "MAKELEVEL" in os.environ:
        end_with_parent()
    keycloak = PrivateKeycloak(PROJECT / "var" / "keycloak", port=_port(), dies_with_us=True)
    try:
        install(say=_say)
        _say(f"Starting Keycloak {VERSION} (a minute at the first time) …")
        keycloak.start()
        _say(_where(keycloak))
        signal.pause()
    except KeyboardInterrupt:
        _say("\nStopping …")
        keycloak.stop()
        _say(f"Stopped. The realm is kept in {keycloak.folder}; remove that folder to begin anew.")
    except KeycloakFailed as problem:
        keycloak.stop()
        print(problem, file=sys.stderr)
        return 1
    return 0


def _port() -> int:
    given = os.environ.get("IDP_KEYCLOAK_PORT", "")
    return int(given) if given.isdecimal() else DEFAULT_PORT


def _where(keycloak: PrivateKeycloak) -> str:
    return f"""
Keycloak is ready; Ctrl-C stops it.

  console      {keycloak.url}/admin, user {ADMIN}, password in {keycloak.secret_file(ADMIN)}
  realm        {keycloak.realm}, without anybody so far
  users        {keycloak.url}/admin/master/console/#/{keycloak.realm}/users

To have students written to it, put this into the settings of idp and run `idp plan --all`:

  [targets.keycloak]
  enabled = true
  url = "{keycloak.url}"
  realm = "{keycloak.realm}"
  secret_file = "{keycloak.secret_file(PROVISIONING)}"

For a first load of thousands, enable the client idp-load in the console, and set, until it is done:

  load_secret_file = "{keycloak.secret_file(LOAD)}"
"""


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main())
