"""Tables of provisioning."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from idp.db.constraints import at_least, one_of
from idp.db.databases import UtcDateTime, identity_metadata, sessions_metadata
from idp.people.values import Priority
from idp.provisioning.run import ChangeState, RunKind, Runner, RunState
from idp.provisioning.target_states import Presence, State
from idp.provisioning.values import Kind

_HAS_WORK = text("next_attempt_at IS NOT NULL")

# What must be written to each target; there is no other list of this work (idp.provisioning.target_states).
target_state = Table(
    "target_state",
    identity_metadata,
    Column("target", String(32), nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("state", String(8), nullable=False),
    Column("desired", String(32), nullable=False),  # digest of the entry that the target should have
    Column("applied", String(32)),  # digest that a write or a read last confirmed; NULL: no entry
    Column("presence", String(10), nullable=False),  # if_present: update if present, never create
    Column("priority", String(4), nullable=False),
    Column("change_token", String(32), nullable=False),  # new whenever desired changes
    Column("attempts", Integer, nullable=False, server_default="0"),  # failed in a row; they count towards giving up
    Column("delays", Integer, nullable=False, server_default="0"),  # in a row, for which the person is not to blame
    Column("last_attempt_at", UtcDateTime),
    Column("next_attempt_at", UtcDateTime),  # NULL: nothing to do
    Column("error", String(200), nullable=False, server_default=""),  # of the last attempt
    Column("remote_id", String(36)),  # the target's own key of the entry, by which it reports deletions
    Column("run_id", String(32), nullable=False, server_default=""),  # that applied it; "": a live write, or a read
    Column("applied_at", UtcDateTime),
    PrimaryKeyConstraint("target", "person_id"),
    one_of("state", State),
    one_of("presence", Presence),
    one_of("priority", Priority),
    at_least("attempts", 0),
    at_least("delays", 0),
    CheckConstraint("(next_attempt_at IS NULL) = (state IN ('in_sync', 'failed'))", name="next_attempt"),
    Index("ix_target_state_remote_id", "target", "remote_id"),
    Index(
        "ix_target_state_due", "priority", "next_attempt_at", sqlite_where=_HAS_WORK, postgresql_where=_HAS_WORK
    ),  # for the lanes
    Index("ix_target_state_work", "target", "person_id", sqlite_where=_HAS_WORK, postgresql_where=_HAS_WORK),  # plans
)


# The rules by which a target was last compared whole: after they change, everybody must be compared again.
target_rules = Table(
    "target_rules",
    identity_metadata,
    Column("target", String(32), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("compared_at", UtcDateTime, nullable=False),
)


_IS_RUNNING = text("state = 'running'")


# idp.provisioning.run has the states and the transitions between them.
run = Table(
    "run",
    identity_metadata,
    Column("run_id", String(32), primary_key=True),  # sorts by time of making
    Column("kind", String(8), nullable=False),
    Column("state", String(17), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("digest", String(64), nullable=False, server_default=""),  # SHA-256 over all changes in order
    Column("undoes", String(32)),  # the run that this one takes back
    Column("chunk", Integer, nullable=False),  # changes that one worker takes at a time
    Column("requested_by", String(64), nullable=False, server_default=""),
    Column("attempt", Integer, nullable=False, server_default="0"),  # counts up with each start: an older one stops
    Column("runner", String(8)),  # while it is running
    Column("started_at", UtcDateTime),
    Column("progress_at", UtcDateTime),  # when a batch was last stored
    Column("next_attempt_at", UtcDateTime),  # of an incomplete run; NULL: when somebody requests it
    Column("finished_at", UtcDateTime),
    Column("error", String(500), nullable=False, server_default=""),  # why it stopped, when it did
    Column("error_code", String(40), nullable=False, server_default=""),
    one_of("kind", RunKind),
    one_of("state", RunState),
    one_of("runner", Runner),
    at_least("chunk", 1),
    CheckConstraint("(runner IS NOT NULL) = (state = 'running')", name="running"),
    CheckConstraint("next_attempt_at IS NULL OR state = 'incomplete'", name="next_attempt"),
    # The database itself lets one run alone be running, whatever processes and machines there are.
    Index("ix_run_running", "state", unique=True, sqlite_where=_IS_RUNNING, postgresql_where=_IS_RUNNING),
)


run_target = Table(
    "run_target",
    identity_metadata,
    Column("run_id", String(32), ForeignKey("run.run_id"), nullable=False),
    Column("target", String(32), nullable=False),
    Column("number", Integer, nullable=False),  # in the order of stages
    Column("population", Integer, nullable=False),  # entries of ours that it held
    *(Column(kind.value, Integer, nullable=False) for kind in Kind),  # changes
    Column("lose_rights", Integer, nullable=False),  # changes, of whatever kind, that take student rights away
    Column("findings", Integer, nullable=False),
    Column("unread", String(500), nullable=False),  # why it could not be read, so that nothing is planned in it
    PrimaryKeyConstraint("run_id", "target"),
)


limit_violation = Table(
    "limit_violation",
    identity_metadata,
    Column("run_id", String(32), ForeignKey("run.run_id"), nullable=False),
    Column("target", String(32), nullable=False),
    Column("kind", String(11), nullable=False),  # of change, or lose_rights
    Column("count", Integer, nullable=False),
    Column("population", Integer, nullable=False),
    Column("limit", Integer, nullable=False),
    Column("before", Integer, nullable=False),  # in the day before, by runs that nobody approved
    PrimaryKeyConstraint("run_id", "target", "kind"),
    one_of("kind", (*Kind, "lose_rights")),
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
    Column("loses_rights", Boolean, nullable=False),  # the entry was a student's and is not any more
    Column("cause", String(200), nullable=False),  # the records' reason; an undo keeps the one of what it undoes
    Column("state", String(10), nullable=False),
    Column("error", String(500), nullable=False),
    Column("done_at", UtcDateTime),  # of the last attempt
    PrimaryKeyConstraint("run_id", "number"),
    one_of("kind", Kind),
    one_of("state", ChangeState),
    Index("ix_change_run_id_state", "run_id", "state"),
)


finding = Table(
    "finding",
    identity_metadata,
    Column("run_id", String(32), ForeignKey("run.run_id"), nullable=False),
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
    Column("run_id", String(32), ForeignKey("run.run_id"), nullable=False),
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
    Column("key", String(64), nullable=False),  # of the catalogue, or access, existence
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
    one_of("policy", ("report", "adopt")),
    Index("ix_override_person_id", "person_id"),
)


# To whom the removal of their entries was announced, and when. It goes when they return, and with the entry.
removal_notice = Table(
    "removal_notice",
    identity_metadata,
    Column("person_id", String(32), primary_key=True),
    Column("announced_at", UtcDateTime, nullable=False),
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
    Column("open_until", Float, nullable=False),  # nobody tries it before
    Column("error", String(200), nullable=False),
)


target_pace = Table(
    "target_pace",
    sessions_metadata,
    Column("target", String(32), primary_key=True),
    Column("free_at", Float, nullable=False),  # when the writes that were granted so far are over
)
