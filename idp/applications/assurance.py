"""How strongly somebody signed in, and how strongly an application demands it. Pure."""

from enum import StrEnum


class Assurance(StrEnum):
    """The levels, the weakest first."""

    PASSWORD = "password"  # noqa: S105 - the name of a level
    SECOND_FACTOR = "second_factor"

    def satisfies(self, required: "Assurance") -> bool:
        """Tell whether a sign-in of this level is enough."""
        return _ORDER[self] >= _ORDER[required]


_ORDER = {level: number for number, level in enumerate(Assurance)}
