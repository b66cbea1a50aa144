"""Tables of people, their enrolments, accounts, and of every name ever given."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from idp.store.base import UtcDateTime, identity_metadata

person = Table(
    "person",
    identity_metadata,
    Column("person_id", String(32), primary_key=True),  # UUID in hex, ours, never reused
    Column("os_id", String(20), nullable=False, unique=True),  # the registry's key
    Column("album", String(10), unique=True),  # as printed, leading zeros kept
    Column("album_number", String(10), unique=True),  # without leading zeros: 007 and 7 are one number
    Column("uid", String(16), nullable=False, unique=True),  # `u` + 8 of [a-z2-9]
    Column("given_name", String(64), nullable=False),
    Column("middle_name", String(64), nullable=False),
    Column("surname_prefix", String(64), nullable=False),
    Column("surname", String(64), nullable=False),
    Column("previous_surname", String(64), nullable=False),
    Column("born_on", Date),
    Column("sex", String(1), nullable=False),
    Column("citizenships", String(64), nullable=False),
    # National ids exist only as keyed HMACs, of the whole and of the last four characters (docs/domain.md).
    Column("pesel_mac", String(64)),
    Column("pesel_end_mac", String(64)),
    Column("document_mac", String(64)),
    Column("document_end_mac", String(64)),
    Column("private_mail", String(254), nullable=False),  # enrolment address, unverified
    Column("changed_at", UtcDateTime, nullable=False),  # the registry's own time of the last change
    Column("digest", String(32), nullable=False),  # of the normalised rows; unequal means changed
    Column("source_import", String(32), nullable=False),  # import run, and the line in its file
    Column("source_line", Integer, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Index("ix_person_pesel_mac", "pesel_mac"),
)

enrolment = Table(
    "enrolment",
    identity_metadata,
    Column("person_id", String(32), ForeignKey("person.person_id"), nullable=False),
    Column("programme", String(32), nullable=False),
    Column("programme_name", String(200), nullable=False),
    Column("unit", String(64), nullable=False),
    Column("level", String(4), nullable=False),
    Column("form", String(2), nullable=False),
    Column("status", String(32), nullable=False),  # idp.people.Status
    Column("status_from", Date, nullable=False),
    Column("admitted_on", Date),
    Column("ends_on", Date),
    Column("changed_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("person_id", "programme"),
)

# The right to sign in. A student's account_id is the person_id; staff have no person row.
account = Table(
    "account",
    identity_metadata,
    Column("account_id", String(32), primary_key=True),
    Column("kind", String(8), nullable=False),  # student | staff
    Column("uid", String(16), nullable=False, unique=True),
    Column("role", String(16), nullable=False),  # "" | clerk | operator | administrator
    Column("display_name", String(200), nullable=False),
    Column("mail", String(254), nullable=False),  # staff: where they are written to; students: empty
    Column("enabled", Boolean, nullable=False),  # false closes every door at once
    Column("epoch", Integer, nullable=False),  # a session counts only while it carries the same number
    Column("claimed_at", UtcDateTime),
    Column("language", String(2), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# Every name ever given, with its first owner, for ever: rows are never updated and never deleted.
ledger = Table(
    "ledger",
    identity_metadata,
    Column("kind", String(8), nullable=False),  # uid | album | address | sub
    Column("value", String(254), nullable=False),  # lower case
    Column("owner_id", String(32), nullable=False),  # account_id
    Column("looks_like", String(254)),  # folded form: two addresses that look alike share it
    Column("given_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("kind", "value"),
    UniqueConstraint("looks_like"),
)

# The addresses that deliver today.
address = Table(
    "address",
    identity_metadata,
    Column("address", String(254), primary_key=True),
    Column("person_id", String(32), ForeignKey("person.person_id"), nullable=False, index=True),
    Column("kind", String(8), nullable=False),  # primary | alias | former
    Column("since", UtcDateTime, nullable=False),
    # One primary and one alias per person, whoever asks at the same moment; former ones may be many.
    Index(
        "uq_address_person_id_kind",
        "person_id",
        "kind",
        unique=True,
        sqlite_where=text("kind <> 'former'"),
        postgresql_where=text("kind <> 'former'"),
    ),
)
