"""What an application learns about a person: its principal and its released attributes. Pure."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from idp.people.catalogue import named_in
from idp.people.views import Values


class Principal(StrEnum):
    """What `<cas:user>` says to an application."""

    UID = "uid"
    MAIL = "mail"
    ALBUM = "album"
    PAIRWISE = "pairwise"  # opaque, another one for each application

    @property
    def is_of_everybody(self) -> bool:
        """Tell whether everybody has such a name: a uid, or one made of the account's key."""
        return self in (Principal.UID, Principal.PAIRWISE)


_KEYS: Final = named_in("cas")
RELEASABLE: Final = frozenset(_KEYS)


def released(names: Iterable[str], values: Values) -> dict[str, list[str]]:
    """Return the attributes of a release list, those without a value left out."""
    return {name: values[key] for name in names if (key := _KEYS[name]) in values}


def principal_of(principal: Principal, uid: str, values: Values, pairwise: Callable[[], str]) -> str | None:
    """Return the name that an application knows the person by; None when they have no such name (yet)."""
    match principal:
        case Principal.UID:
            return uid
        case Principal.MAIL | Principal.ALBUM:
            return next(iter(values.get(principal.value, ())), None)
        case Principal.PAIRWISE:
            return pairwise()
