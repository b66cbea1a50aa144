"""Tables of provisioning."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from idp.db.databases import UtcDateTime, identity_metadata, sessions_metadata

# Unequal digests are the work list.
target_state = Table(
    "target_state",
    identity_metadata,
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("desired", String(32), nullable=False),
    Column("applied", String(32)),  # what a write or a read last confirmed; NULL: nothing there; "": nobody knows
    Column("only_if_present", Boolean, nullable=False),  # kept true where it is, made nowhere
    Column("run_id", String(32), nullable=False),  # that applied it; "": at once, by itself
    Column("applied_at", UtcDateTime),
    Column("tries", Integer, nullable=False, server_default="0"),  # that the target refused, one after the other
    Column("error", String(200), nullable=False, server_default=""),  # of the last one
    Column("quarantined", String(32)),  # what was desired when we gave up: other records end it
    Column("remote_id", String(36)),  # the target's own key of the entry, by which it tells of deletions
    PrimaryKeyConstraint("target", "person_id"),
    Index("ix_target_state_remote_id", "target", "remote_id"),
)


# What the last whole comparison of a target was made by: other rules, and everybody has to be looked at again.
rules_seen = Table(
    "rules_seen",
    identity_metadata,
    Column("target", String(32), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)


_AT_WORK = text("state = 'applying'")


run = Table(
    "run",
    identity_metadata,
    Column("run_id", String(32), primary_key=True),  # sorts by time of making
    Column("kind", String(8), nullable=False),
    Column("state", String(12), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 over all changes in order: this very plan
    Column("summary", Text, nullable=False),  # JSON by target: population, counts by kind, findings
    Column("over", Text, nullable=False),  # JSON: what was over which limit when the plan was made
    Column("undoes", String(32)),  # the run that this one takes back
    Column("chunk", Integer, nullable=False),  # changes per portion that one worker takes
    Column("asked_by", String(64), nullable=False),  # who had it carried out
    Column("attempt", Integer, nullable=False),  # counts up with each start: an older one stops
    Column("carried_by", String(8), nullable=False),  # while it is at work
    Column("started_at", UtcDateTime),
    Column("progress_at", UtcDateTime),  # when a batch was last noted
    Column("due_at", UtcDateTime),  # of the next attempt of an incomplete run; NULL: when somebody asks
    Column("finished_at", UtcDateTime),
    Column("error", String(500), nullable=False),  # why it stopped, when it did
    # The database itself lets one run alone be at work, whatever processes and machines there are.
    Index("ix_run_at_work", "state", unique=True, sqlite_where=_AT_WORK, postgresql_where=_AT_WORK),
)


# Rows of a plan are never changed, but for the three last columns, which say what became of them.
change = Table(
    "change",
    identity_metadata,
    Column("run_id", String(32), nullable=False),
    Column("number", Integer, nullable=False),
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("name", String(200), nullable=False),  # what the target knows the entry by
    Column("before", Text),  # JSON of the entry; NULL: none
    Column("after", Text),
    Column("reason", String(200), nullable=False),
    Column("desired", String(32)),  # digest of `after`
    Column("mark", String(32), nullable=False),  # of the dirty row that this change settles, or ""
    Column("state", String(10), nullable=False),
    Column("error", String(500), nullable=False),
    Column("done_at", UtcDateTime),  # of the last try
    PrimaryKeyConstraint("run_id", "number"),
    Index("ix_change_run_id_state", "run_id", "state"),
)


finding = Table(
    "finding",
    identity_metadata,
    Column("run_id", String(32), nullable=False),
    Column("number", Integer, nullable=False),
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("name", String(200), nullable=False),
    Column("what", String(200), nullable=False),
    PrimaryKeyConstraint("run_id", "number"),
)


run_approval = Table(
    "run_approval",
    identity_metadata,
    Column("run_id", String(32), nullable=False),
    Column("account_id", String(32), nullable=False),  # who signed in for it
    Column("digest", String(64), nullable=False),  # of the plan that was approved: another one is not
    Column("name", String(200), nullable=False),  # as the person was called then
    Column("factors", String(40), nullable=False),  # with what they signed in: "password"
    Column("shell", String(64), nullable=False),  # whose terminal it was, or ""
    Column("approved_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("run_id", "account_id"),
)


# What an undo left of one key of an entry. It holds only while the records ask for `expected`. No foreign keys: a pin
# outlives its run.
pin = Table(
    "pin",
    identity_metadata,
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("key", String(64), nullable=False),  # of the catalogue, or access, existence, place
    Column("expected", Text, nullable=False),  # JSON: what the records asked for, by part of the entry
    Column("kept", Text, nullable=False),  # JSON: what the target keeps, by part of the entry
    Column("run_id", String(32), nullable=False),  # the run that was undone
    Column("pinned_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("target", "person_id", "key"),
    Index("ix_pin_person_id", "person_id"),
    Index("ix_pin_run_id", "run_id"),
)


# Drift that was accepted. It holds only while the records ask for `expected`.
override = Table(
    "override",
    identity_metadata,
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("attribute", String(64), nullable=False),
    Column("expected", Text, nullable=False),  # JSON list: what the records asked for
    Column("kept", Text, nullable=False),  # JSON list: what was found
    Column("policy", String(8), nullable=False),  # report | adopt
    Column("found_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("target", "person_id", "attribute"),
    Index("ix_override_person_id", "person_id"),
)


target_cursor = Table(
    "target_cursor",
    identity_metadata,
    Column("target", String(32), primary_key=True),
    Column("cursor", Text, nullable=False),  # the target's own text of how far it was read
    Column("read_at", UtcDateTime, nullable=False),
)


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
