"""The tables of the fees application. Charges and payments are only ever added."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from idp.db.databases import NAMING, UtcDateTime

metadata = MetaData(naming_convention=NAMING)

student = Table(
    "student",
    metadata,
    Column("student_id", Integer, primary_key=True),
    Column("os_id", String(20), nullable=False, unique=True),
    Column("album", String(10)),
    # Without leading zeros: albums that differ only there are one number.
    Column("album_number", String(10), unique=True),
    Column("given_name", String(64), nullable=False),
    Column("surname", String(130), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),  # in the registry
    sqlite_autoincrement=True,
)

programme = Table(
    "programme",
    metadata,
    Column("student_id", ForeignKey("student.student_id"), nullable=False),
    Column("code", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("level", String(8), nullable=False),
    Column("form", String(8), nullable=False),
    Column("status", String(32), nullable=False),
    Column("status_from", Date, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),  # in the registry
    PrimaryKeyConstraint("student_id", "code"),
)

account = Table(
    "account",
    metadata,
    Column("nrb", String(26), primary_key=True),
    Column("student_id", ForeignKey("student.student_id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
)
# One number at a time of each kind and currency; older ones stay, and stay the student's.
Index(
    "uq_account_open",
    account.c.student_id,
    account.c.kind,
    account.c.currency,
    unique=True,
    sqlite_where=text("valid_to IS NULL"),
    postgresql_where=text("valid_to IS NULL"),
)

# The last payer serial given. It only grows, whatever is deleted: a serial is never given twice.
payer_serial = Table(
    "payer_serial",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("last", BigInteger, nullable=False),
)

charge = Table(
    "charge",
    metadata,
    Column("charge_id", Integer, primary_key=True),
    Column("student_id", ForeignKey("student.student_id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("title", String(200), nullable=False),
    Column("title_en", String(200), nullable=False),  # empty: there is none
    Column("minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("due_on", Date, nullable=False),
    Column("reference", String(64), nullable=False, unique=True),
    Column("recorded_at", UtcDateTime, nullable=False),
    CheckConstraint("minor > 0", name="minor"),
    sqlite_autoincrement=True,
)

payment = Table(
    "payment",
    metadata,
    Column("payment_id", Integer, primary_key=True),
    Column("nrb", ForeignKey("account.nrb"), nullable=False, index=True),
    Column("minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("ordered_on", Date),
    Column("credited_on", Date, nullable=False),
    Column("reference", String(64), nullable=False, unique=True),
    Column("recorded_at", UtcDateTime, nullable=False),
    CheckConstraint("minor > 0", name="minor"),
    sqlite_autoincrement=True,
)

session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("ticket_hash", String(64), nullable=False, index=True),
    Column("cas_user", String(256), nullable=False),
    Column("album", String(10)),
    Column("expires_at", Float, nullable=False, index=True),  # seconds since 1970
)

journal = Table(
    "journal",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("actor", String(256), nullable=False),
    Column("subject", String(256), nullable=False, index=True),
    Column("data", Text, nullable=False),  # JSON
    Column("correlation_id", String(64), nullable=False),
    sqlite_autoincrement=True,
)
