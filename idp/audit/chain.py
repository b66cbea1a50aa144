"""The hash chain of the journal's rows. Pure."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # kept: creating costs as much as using


def rest_hash(salt: bytes, event: Sequence[Any]) -> str:
    """Return the SHA-256 in hex of what an erasure empties: actor, subject, reason, correlation id and data.

    Shape:   event: in the order of `journal_queries.EVENT_COLUMNS`. The salt prevents guessing erased values
    """
    return hashlib.sha256(salt + _as_json(list(event[3:])).encode()).hexdigest()


def is_empty(event: Sequence[Any]) -> bool:
    """Return whether everything that an erasure empties is empty."""
    return tuple(event[3:]) == ("", "", "", "", "{}")


def chained(before: str, seq: int, event: Sequence[Any], rest: str) -> str:
    """Return the digest of a row: SHA-256 in hex over the previous digest, number, id, time, kind and rest."""
    covered = _as_json([before, seq, *event[:3], rest])
    return hashlib.sha256(covered.encode()).hexdigest()
