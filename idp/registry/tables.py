"""Tables of registry."""

from enum import StrEnum

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
)

from idp.db.constraints import at_least, one_of
from idp.db.databases import UtcDateTime, identity_metadata


class ImportState(StrEnum):
    """The state of one import of a file."""

    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    BROKEN_OFF = "broken_off"  # its process died


import_run = Table(
    "import_run",
    identity_metadata,
    Column("import_id", String(32), primary_key=True),
    Column("file_name", String(200), nullable=False),
    Column("file_digest", String(64), nullable=False),  # SHA-256 of the bytes
    Column("is_delta", Boolean, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", String(40), nullable=False),  # why a file was refused (idp.registry.reasons)
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("finished_at", UtcDateTime),
    Column("people", Integer, nullable=False),  # in the file; the next full file is measured by it
    Column("fill", Text, nullable=False),  # JSON: column -> share of rows that fill it
    Column("newest_at", UtcDateTime),  # when the file's newest row changed in the registry
    Column("counts", Text, nullable=False),  # JSON: what became of the rows
    one_of("state", ImportState),
    at_least("people", 0),
    CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished"),
    CheckConstraint("(state = 'refused') = (reason <> '')", name="reason"),
)


quarantine = Table(
    "quarantine",
    identity_metadata,
    Column("quarantine_id", String(32), primary_key=True),
    Column("row_mac", String(64), nullable=False, unique=True),  # keyed hash of the row: the same row is kept once
    Column("os_id", String(20), nullable=False, index=True),  # "" when the row does not say
    Column("programme", String(32), nullable=False),
    Column("reason", String(40), nullable=False),  # idp.registry.reasons
    Column(
        "import_id", String(32), ForeignKey("import_run.import_id"), nullable=False, index=True
    ),  # the last import that brought it
    Column("line", Integer, nullable=False),
    Column("file_digest", String(64), nullable=False),
    Column("sealed_row", Text, nullable=False),  # Keys.seal: it holds national ids
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    at_least("line", 0),
)
