"""Find the run that an argument RUN names."""

from idp.app.installation import Idp
from idp.errors import InvalidInput, NotFound
from idp.provisioning.run import Run
from idp.provisioning.run_queries import runs_with_prefix


def run_named(installation: Idp, text: str) -> Run:
    """Return the plan or run that `text` names: its number, or enough of its beginning.

    Raises:  NotFound; InvalidInput when several begin so
    """
    with installation.databases.identity.read() as connection:
        found = runs_with_prefix(connection, text.lower(), most=2) if text else []
    if not found:
        raise NotFound(f"there is no run {text}. List runs with: idp runs list")
    if len(found) > 1:
        raise InvalidInput(f"several runs begin with {text}. Type more of the number.")
    return found[0]
