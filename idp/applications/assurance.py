"""The assurance level of a sign-in, and the level that an application requires. Pure."""

from enum import StrEnum


class Assurance(StrEnum):
    """The levels, the weakest first."""

    PASSWORD = "password"  # noqa: S105 - the name of a level
    SECOND_FACTOR = "second_factor"

    def satisfies(self, required: "Assurance") -> bool:
        """Return whether a sign-in of this level is enough."""
        return _ORDER[self] >= _ORDER[required]


_ORDER = {level: number for number, level in enumerate(Assurance)}
