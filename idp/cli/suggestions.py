"""The message about an unknown command. It imports nothing of ours, because every command would wait for that."""

from collections.abc import Iterable
from difflib import get_close_matches


def no_such_command(name: str, commands: Iterable[str]) -> str:
    """Return the message, with the command that was probably meant."""
    near = get_close_matches(name, list(commands), n=1)
    return f"No such command {name!r}." + (f" Did you mean {near[0]!r}?" if near else "")
