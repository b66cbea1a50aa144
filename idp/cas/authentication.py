"""Attributes about the sign-in itself, which come first in every answer. Pure.

Source:  CAS Protocol 3.0.3, appendix A
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=1024)  # a session validates one ticket after another
def of_authentication(signed_in_at: float, *, remembered: bool, from_new_login: bool) -> Mapping[str, list[str]]:
    """Return when and how the person signed in."""
    at = datetime.fromtimestamp(signed_in_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "authenticationDate": [at],
        "longTermAuthenticationRequestTokenUsed": [_word(remembered)],
        "isFromNewLogin": [_word(from_new_login)],
    }


def _word(claim: bool) -> str:
    return "true" if claim else "false"
