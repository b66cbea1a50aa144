"""Signed checkpoints of the journal, and the check of the journal against them.

A checkpoint is a signed copy of the journal's last number and digest. It leaves the machine as a log line and in
a file. If somebody changes or cuts the journal later and computes a new chain, older checkpoints do not match it.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import structlog

from idp.audit import journal_queries as journal
from idp.audit.chain import chained, is_empty, rest_hash
from idp.audit.settings import AuditSettings
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import InvalidInput
from idp.keys.key_files import Keys

MOST_BYTES = 16 * 1024 * 1024  # of a file with checkpoints: several years of one every five minutes
PROGRESS_ROWS = 1000
log = structlog.get_logger(__name__)


class Fault(StrEnum):
    """What is wrong with the journal."""

    ALTERED = "altered"  # a row does not follow from the row before it, or its content does not match
    CUT = "cut"  # it ends before a checkpoint
    REPLACED = "replaced"  # the chain is intact, but a checkpoint names another event
    SIGNATURE = "signature"  # the checkpoint was not signed with our key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The end of the journal at one moment, signed."""

    seq: int
    digest: str
    at: str  # ISO 8601, UTC
    key_id: str
    signature: str

    @property
    def message(self) -> bytes:
        """What the signature covers."""
        return f"idp journal checkpoint\n{self.seq}\n{self.digest}\n{self.at}".encode()

    def to_line(self) -> str:
        """Return the checkpoint as one line of JSON."""
        parts = {
            "sequence_number": self.seq,
            "digest": self.digest,
            "at": self.at,
            "key": self.key_id,
            "signature": self.signature,
        }
        return json.dumps(parts)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the journal found."""

    checked: int  # rows
    erased: int  # of these, rows with erased content
    fault: Fault | None = None
    seq: int = 0  # where

    @property
    def is_whole(self) -> bool:
        """Nothing is wrong."""
        return self.fault is None


def parse_checkpoints(text: str) -> list[Checkpoint]:
    """Return the checkpoints in a text, one JSON line each. Empty lines are ignored.

    Raises:  InvalidInput with the number of the line
    """
    if len(text) > MOST_BYTES:
        raise InvalidInput(f"more than {MOST_BYTES} bytes of checkpoints")
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            parts = json.loads(line)
            found.append(
                Checkpoint(
                    int(parts["sequence_number"]), parts["digest"], parts["at"], parts["key"], parts["signature"]
                )
            )
        except (ValueError, KeyError, TypeError) as exc:
            raise InvalidInput(f"line {number} is no checkpoint") from exc
    return found


def sign_head(databases: Databases, keys: Keys, clock: Clock) -> Checkpoint | None:
    """Return a signed checkpoint of the journal's end; None for an empty journal.

    It changes nothing, so it needs no permission: whoever can run it can read the key that signs.
    """
    with databases.identity.read() as connection:
        seq, digest = journal.last_sealed(connection)
    if seq == 0:
        return None
    at = datetime.fromtimestamp(clock.timestamp(), UTC).isoformat(timespec="seconds")
    unsigned = Checkpoint(seq, digest, at, "", "")
    key_id, signature = keys.sign(unsigned.message)
    return Checkpoint(seq, digest, at, key_id, signature)


def verify(
    databases: Databases,
    keys: Keys | None = None,
    against: Sequence[Checkpoint] = (),
    progress: Callable[[int], None] = lambda _count: None,
) -> Verdict:
    """Check the chain from its first row, and that it contains each checkpoint.

    Shape:   progress: called with the number of rows checked since its last call
    Raises:  ConfigError when the key of a checkpoint is not here
    """
    for checkpoint in against:
        assert keys is not None  # callers with checkpoints pass the keys
        if not keys.is_signed(checkpoint.message, checkpoint.key_id, checkpoint.signature):
            return Verdict(0, 0, Fault.SIGNATURE, checkpoint.seq)
    # After a rewrite, new checkpoints have the same numbers as old ones. Every checkpoint must match.
    expected: dict[int, set[str]] = {}
    for checkpoint in against:
        expected.setdefault(checkpoint.seq, set()).add(checkpoint.digest)
    digest, count, erased = "", 0, 0
    with databases.identity.read() as connection, closing(journal.sealed(connection)) as rows:
        for row in rows:
            seq, stored, salt, rest, event = row.seq, row.digest, row.salt, row.rest_hash, row[4:]
            count += 1
            # An attacker who can change the table can also drop the constraint that keeps erased rows empty.
            is_content_right = is_empty(event) if salt is None else rest_hash(bytes(salt), event) == rest
            if seq != count or not is_content_right or chained(digest, seq, event, rest) != stored:
                return Verdict(count, erased, Fault.ALTERED, seq)
            if expected.get(seq, set()) - {stored}:
                return Verdict(count, erased, Fault.REPLACED, seq)
            digest, erased = stored, erased + (salt is None)
            if count % PROGRESS_ROWS == 0:
                progress(PROGRESS_ROWS)
    if (last := max(expected, default=0)) > count:
        return Verdict(count, erased, Fault.CUT, last)
    return Verdict(count, erased)


class CheckpointSweep:
    """The worker's sweep that signs a checkpoint from time to time, if the journal has grown."""

    def __init__(self, databases: Databases, keys: Keys, settings: AuditSettings, clock: Clock) -> None:
        self._databases = databases
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self._next_at = 0.0
        self._last_seq = 0

    def __call__(self) -> int:
        """Effect: a log line, and a line in `audit.checkpoint_file`; nothing if the journal has not grown."""
        now = self._clock.timestamp()
        if now < self._next_at:
            return 0
        self._next_at = now + self._settings.checkpoint_s
        checkpoint = sign_head(self._databases, self._keys, self._clock)
        if checkpoint is None or checkpoint.seq == self._last_seq:
            return 0
        line = checkpoint.to_line()
        log.info("journal checkpoint", checkpoint=line)
        if self._settings.checkpoint_file is not None:
            _append(self._settings.checkpoint_file, line)
        self._last_seq = checkpoint.seq  # only now: one that could not be written is signed again
        return 0  # nothing that should start the next round at once


def _append(file: Path, line: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(line + "\n")
