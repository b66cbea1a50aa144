"""Tables of sso."""

from sqlalchemy import Boolean, Column, Float, Integer, PrimaryKeyConstraint, String, Table, Text

from idp.applications.assurance import Assurance
from idp.db.constraints import at_least, one_of
from idp.db.databases import sessions_metadata
from idp.sso.throttle import Scope

session = Table(
    "session",
    sessions_metadata,
    Column("session_id", String(32), primary_key=True),  # names it in lists and events; opens nothing
    Column("token_hash", String(64), nullable=False, unique=True),  # of the cookie's value
    Column("account_id", String(32), nullable=False, index=True),
    Column("epoch", Integer, nullable=False),  # the account's at sign-in; counts only while equal
    Column("signed_in_at", Float, nullable=False),  # when the password was last given
    Column("seen_at", Float, nullable=False),
    Column("idle_until", Float, nullable=False, index=True),
    Column("expires_at", Float, nullable=False, index=True),
    Column("remembered", Boolean, nullable=False),  # the cookie outlives the browser
    Column("warns", Boolean, nullable=False),  # "Warn me before logging me into other sites"
    Column("network", String(64), nullable=False),  # where from, for the person's own list
    Column("browser", String(200), nullable=False),
    Column("factors", Text, nullable=False),  # JSON: what was shown, and when
    Column("assurance", String(16), nullable=False),  # the level that the factors make
    one_of("assurance", Assurance),
)


# A login ticket is stored when it is used, and not before.
used_login_ticket = Table(
    "used_login_ticket",
    sessions_metadata,
    Column("ticket_hash", String(64), primary_key=True),
    Column("uses", Integer, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    at_least("uses", 1),
)


# Kept for the logout: the address and the ticket that names the application's own session. The ticket was spent before
# it came here, so it opens nothing and may stand in clear.
session_application = Table(
    "session_application",
    sessions_metadata,
    Column("session_id", String(32), nullable=False),
    Column("ticket", String(64), nullable=False),
    Column("kind", String(8), nullable=False),  # which sender tells it: cas | oidc
    Column("application", String(64), nullable=False),  # the registered service's id
    Column("address", Text, nullable=False),
    Column("at", Float, nullable=False),
    PrimaryKeyConstraint("session_id", "ticket"),
    sqlite_with_rowid=False,
)


failed_sign_in = Table(
    "failed_sign_in",
    sessions_metadata,
    Column("scope", String(8), nullable=False),  # idp.sso.throttle.Scope
    Column("key_hash", String(64), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_at", Float, nullable=False, index=True),
    PrimaryKeyConstraint("scope", "key_hash"),
    one_of("scope", Scope),
    at_least("failures", 0),
)


known_device = Table(
    "known_device",
    sessions_metadata,
    Column("token_hash", String(64), primary_key=True),  # of a part of the device cookie
    Column("account_id", String(32), nullable=False, index=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Float, nullable=False),  # of the last failure, or of the success that made it
    Column("expires_at", Float, nullable=False, index=True),
)


# Which accounts a network has failed on: many of them, however slowly, is guessing.
guessed_account = Table(
    "guessed_account",
    sessions_metadata,
    Column("network_hash", String(64), nullable=False),
    Column("account_hash", String(64), nullable=False),
    Column("at", Float, nullable=False, index=True),
    PrimaryKeyConstraint("network_hash", "account_hash"),
)
