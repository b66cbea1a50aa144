"""Who acts in tests."""

from typing import Final

from idp.permissions import Actor, Role


def shell(name: str) -> Actor:
    """Return somebody who runs commands on the machine."""
    return Actor(f"shell:{name}", Role.SHELL)


SHELL: Final = shell("tester")
