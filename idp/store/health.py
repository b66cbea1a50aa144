"""How targets are doing: whether one is left alone for a while, and how fast it may be written."""

from sqlalchemy import Column, Float, Integer, String, Table

from idp.store.base import sessions_metadata

target_health = Table(
    "target_health",
    sessions_metadata,
    Column("target", String(32), primary_key=True),
    Column("failures", Integer, nullable=False),  # one after the other; 0: well
    Column("since", Float, nullable=False),  # of the first of them, seconds since 1970
    Column("closed_until", Float, nullable=False),  # nobody tries it before
    Column("error", String(200), nullable=False),
)

target_pace = Table(
    "target_pace",
    sessions_metadata,
    Column("target", String(32), primary_key=True),
    Column("free_at", Float, nullable=False),  # when the writes that were granted so far are over
)
