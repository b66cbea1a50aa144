"""How the journal's rows are chained. Pure."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # kept: making one costs as its work


def rest_hash(salt: bytes, event: Sequence[Any]) -> str:
    """Return the SHA-256 in hex of what an erasure may empty: actor, subject, reason, correlation id and data.

    Shape:   event: in the order of `journal_queries.EVENT_COLUMNS`. The salt keeps anybody from guessing erased values
    """
    return hashlib.sha256(salt + _as_json(list(event[3:])).encode()).hexdigest()


def is_empty(event: Sequence[Any]) -> bool:
    """Return whether nothing is left of what an erasure empties."""
    return tuple(event[3:]) == ("", "", "", "", "{}")


def chained(before: str, seq: int, event: Sequence[Any], rest: str) -> str:
    """Return the digest of a row after the digest `before`: SHA-256 in hex over number, id, time, kind and rest."""
    covered = _as_json([before, seq, *event[:3], rest])
    return hashlib.sha256(covered.encode()).hexdigest()
