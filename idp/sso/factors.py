"""What somebody has shown when signing in, and how strong that is. Pure."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from idp.applications.assurance import Assurance


class FactorKind(StrEnum):
    """The kinds of proof that signing in takes."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind


class Factor(NamedTuple):
    """One proof and when it was given (seconds since 1970)."""

    kind: FactorKind
    at: float


def assurance_of(factors: Iterable[Factor]) -> Assurance:
    """Return the level of a sign-in: proofs of two kinds make a second factor."""
    kinds = {factor.kind for factor in factors}
    return Assurance.SECOND_FACTOR if len(kinds) > 1 else Assurance.PASSWORD


def factors_as_json(factors: Iterable[Factor]) -> str:
    """Return the factors as the session's row keeps them. Shape: [["password", 1790848800.0]]"""
    return json.dumps(list(factors))
