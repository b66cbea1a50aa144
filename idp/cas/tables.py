"""Tables of cas."""

from sqlalchemy import Boolean, Column, Float, String, Table, Text

from idp.db.constraints import one_of
from idp.db.databases import sessions_metadata

ticket = Table(
    "ticket",
    sessions_metadata,
    Column("ticket_hash", String(64), primary_key=True),
    Column("kind", String(2), nullable=False),  # ST | PT
    Column("session_id", String(32), nullable=False),  # no index: nothing looks from here
    Column("application_id", String(64), nullable=False),
    Column("service_url", Text, nullable=False),  # the exact text of the request
    Column("from_new_login", Boolean, nullable=False),  # the password was given for this very ticket
    Column("parent_hash", String(64)),  # of the PGT that asked for a PT
    Column("proxies", Text, nullable=False),  # JSON, most recent first
    Column("expires_at", Float, nullable=False),  # no index: the sweep reads the few that nobody has taken yet
    one_of("kind", ("ST", "PT")),
    sqlite_with_rowid=False,  # one tree to write instead of two, here and below
)


proxy_granting = Table(
    "proxy_granting",
    sessions_metadata,
    Column("pgt_hash", String(64), primary_key=True),
    Column("session_id", String(32), nullable=False, index=True),
    Column("application_id", String(64), nullable=False),
    Column("proxies", Text, nullable=False),  # JSON, most recent first; its own callback is the first
    Column("parent_hash", String(64)),  # of the PGT before it in the chain
    Column("expires_at", Float, nullable=False, index=True),
)
