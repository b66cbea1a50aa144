"""Who acts in tests."""

from typing import Final

from idp.permissions import Actor, Role

SHELL: Final = Actor("shell:tester", Role.SHELL)
