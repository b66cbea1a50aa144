"""What becomes of a list of charges or payments: the whole of it is recorded, or it is refused with every mistake."""

from collections.abc import Sequence
from dataclasses import dataclass

from idp.errors import IdpError, InvalidInput

SHOWN = 20
MAX_REFERENCE = 64


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many entries of a list were added, and how many were known before."""

    added: int
    known: int


def refuse_list(mistakes: Sequence[tuple[int, IdpError]], length: int) -> None:
    """Raises:  the mistake of a list of one entry; InvalidInput that names the entries of a longer one, from 1."""
    if not mistakes:
        return
    if length == 1:
        raise mistakes[0][1]
    shown = [f"entry {place + 1}: {mistake}" for place, mistake in mistakes[:SHOWN]]
    more = [f"and {len(mistakes) - SHOWN} more"] if len(mistakes) > SHOWN else []
    raise InvalidInput(
        "\n".join([f"{len(mistakes)} of {length} entries are wrong; nothing was recorded.", *shown, *more])
    )
