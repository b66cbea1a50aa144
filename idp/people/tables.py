"""Tables of people."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from idp.db.constraints import at_least, one_of
from idp.db.databases import UtcDateTime, identity_metadata
from idp.people.status import Access
from idp.people.values import (
    AccountKind,
    AddressKind,
    IdentifierKind,
    LockOwner,
    MergeState,
    PairState,
    Priority,
    Source,
    Status,
)
from idp.permissions import STAFF_ROLES

person = Table(
    "person",
    identity_metadata,
    Column("person_id", String(32), primary_key=True),  # UUID in hex, ours, never reused
    # The registry's key; NULL: the registry does not know the person. An import matches a million rows by it, so it
    # stands here and not in `person_source`.
    Column("os_id", String(20), unique=True),
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
    # Keyed digest of the rows as they came: equal means that nothing has to be looked at. 0: look again.
    Column("digest", BigInteger, nullable=False),
    Column("access", String(10), nullable=False),  # idp.people.status.Access, as the records last asked for it
    Column("review_on", Date, index=True),  # the day on which time alone may change affiliations or access
    Column("source_import", String(32), nullable=False),  # import run of the last change, and the line in its file
    Column("source_line", Integer, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Index("ix_person_pesel_mac", "pesel_mac"),
    one_of("access", Access),
    one_of("sex", ("", "K", "M")),
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
    Column("status_before", String(32)),  # in force, since the date beside it, while status_from lies ahead
    Column("before_from", Date),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("source_import", String(32), nullable=False),  # import run of the last change, and the line in its file
    Column("source_line", Integer, nullable=False),
    PrimaryKeyConstraint("person_id", "programme"),
    one_of("status", Status),
    one_of("status_before", Status),
    CheckConstraint("(status_before IS NULL) = (before_from IS NULL)", name="before"),
)


# How sources besides the registry know a person; several per person.
person_source = Table(
    "person_source",
    identity_metadata,
    Column("person_id", String(32), ForeignKey("person.person_id"), nullable=False),
    Column("source", String(16), nullable=False),  # idp.people.values.Source
    Column("external_id", String(254), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("person_id", "source"),
    one_of("source", Source),
    UniqueConstraint("source", "external_id"),
)


# The right to sign in; the account_id is the person_id.
account = Table(
    "account",
    identity_metadata,
    Column("account_id", String(32), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("uid", String(16), nullable=False, unique=True),
    Column("role", String(16), nullable=False),  # "": none
    Column("display_name", String(200), nullable=False),
    Column("mail", String(254), nullable=False),  # staff: where they are written to; no address of ours
    Column("enabled", Boolean, nullable=False),  # false closes every door at once
    Column("epoch", Integer, nullable=False),  # a session counts only while it carries the same number; 0: never opened
    Column("claimed_at", UtcDateTime),
    Column("invitation", String(32)),  # the one invitation to staff that counts; NULL: none
    Column("language", String(2), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    one_of("kind", AccountKind),
    one_of("role", ("", *STAFF_ROLES)),
    at_least("epoch", 0),
    # A sign-in by mail address finds one account at most; students have their addresses in `address`.
    Index("uq_account_mail", "mail", unique=True, sqlite_where=text("mail <> ''"), postgresql_where=text("mail <> ''")),
)


# Every identifier ever given, with its first owner, for ever: rows are never updated and never deleted.
assigned_identifier = Table(
    "assigned_identifier",
    identity_metadata,
    Column("kind", String(8), nullable=False),
    Column("value", String(254), nullable=False),  # lower case
    Column("owner_id", String(32), nullable=False),  # account_id
    Column("looks_like", String(254)),  # folded form: two addresses that look alike share it
    Column("given_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("kind", "value"),
    one_of("kind", IdentifierKind),
    UniqueConstraint("looks_like"),
)


# The addresses that deliver today.
address = Table(
    "address",
    identity_metadata,
    Column("address", String(254), primary_key=True),
    Column("person_id", String(32), ForeignKey("person.person_id"), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    one_of("kind", AddressKind),
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


# While an account has a lock, it stays disabled whatever the records say.
account_lock = Table(
    "account_lock",
    identity_metadata,
    Column("account_id", String(32), ForeignKey("account.account_id"), nullable=False),
    Column("owner", String(8), nullable=False),  # idp.people.values.LockOwner
    Column("locked_by", String(64), nullable=False),  # an account_id, or "shell:<login name>"
    Column("reason", String(200), nullable=False),
    Column("locked_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, index=True),  # NULL: it ends when somebody removes it
    PrimaryKeyConstraint("account_id", "owner"),
    one_of("owner", LockOwner),
)


# A pair that a human must judge; `person_a` was seen first.
duplicate = Table(
    "duplicate",
    identity_metadata,
    Column("person_a", String(32), nullable=False),
    Column("person_b", String(32), nullable=False),
    Column("state", String(10), nullable=False, index=True),
    Column("evidence", Text, nullable=False),  # JSON: word -> what is alike; never a national id
    Column("found_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("settled_by", String(64), nullable=False),
    PrimaryKeyConstraint("person_a", "person_b"),
    one_of("state", PairState),
    CheckConstraint("(state = 'open') = (settled_at IS NULL)", name="settled"),
    Index("ix_duplicate_person_b", "person_b"),
)


_IN_FORCE = text("state = 'in_force'")


# Two records of one person. The records themselves stay as they are.
person_merge = Table(
    "person_merge",
    identity_metadata,
    Column("began_run_id", String(32), primary_key=True),  # the run that planned it and put it in force
    Column("kept", String(32), nullable=False, index=True),
    Column("merged", String(32), nullable=False),
    Column("state", String(8), nullable=False),  # idp.people.values.MergeState
    Column("ended_run_id", String(32), index=True),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("planned_by", String(64), nullable=False),
    one_of("state", MergeState),
    # Nobody is merged into two people, whoever asks at the same moment.
    Index("uq_person_merge_merged", "merged", unique=True, sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
)


# People whose entries must be computed again, because their records changed.
person_change = Table(
    "person_change",
    identity_metadata,
    Column("person_id", String(32), primary_key=True),
    Column("change_id", String(32), nullable=False),  # new with every cause: only the one that was read is deleted
    Column("priority", String(4), nullable=False),  # idp.people.values.Priority
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime),  # set aside until then, because the rules failed for this person
    one_of("priority", Priority),
    Index("ix_person_change_priority", "priority", "created_at"),
)


# What the ticket path may tell about a person. A row counts only while the person has no `person_change`.
person_view = Table(
    "person_view",
    identity_metadata,
    Column("person_id", String(32), ForeignKey("person.person_id"), primary_key=True),
    Column("content", Text, nullable=False),  # JSON: values by catalogue key
    Column("fingerprint", String(32), nullable=False),  # of the rules that made it; it counts while they are the same
    Column("valid_until", Date),  # the day on which time alone may change it; NULL: never
    sqlite_with_rowid=False,
)
