"""What each command prints with `--json`. The reference page is generated from here, and a test checks every command.

Ids are texts named `*_id`. Times are ISO 8601 in UTC. Numbers carry their unit in their name.
"""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from idp.accounts.intake import IntakePreview
from idp.applications.lint import Finding as RegistrationFinding
from idp.fees.due import Condition
from idp.fees.students import StudentsImported
from idp.jobs.count_queries import LastImport
from idp.jobs.status import AwaitingPlan, RunStatus, ScheduleStatus, TargetStatus
from idp.people.search_queries import FoundPerson
from idp.people.values import LockOwner
from idp.provisioning.drift import Difference
from idp.provisioning.explain import Explanation
from idp.provisioning.pins import Override
from idp.provisioning.run import Approval, FindingRow, LimitViolation, TargetSummary
from idp.registry.results import ImportResult

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A part of the documented output."""


# --- accounts -------------------------------------------------------------------------------------------------------


class LockDocument(Document):
    """One lock on an account."""

    account_id: str
    uid: str | None
    name: str | None
    owner: LockOwner
    locked_by: str
    reason: str
    locked_at: Time
    ends_at: Time | None


# --- runs -----------------------------------------------------------------------------------------------------------


class BeforeAfter(Document):
    before: list[str]
    after: list[str]


class ChangeDocument(Document):
    """One change of a run. `album` and `os_id` are null for staff."""

    number: int
    target: str
    kind: str
    person_id: str
    album: str | None
    os_id: str | None
    name: str
    reason: str
    attributes: dict[str, BeforeAfter]
    state: str
    error: str


class RunDocument(Document):
    """A plan or run. `total` is the number of changes."""

    run_id: str
    kind: str
    state: str
    created_at: Time
    created_by: str
    digest: str
    targets: dict[str, TargetSummary]
    total: int
    limit_violations: list[LimitViolation]


class AwaitingDocument(Document):
    """A plan that awaits approval. Its people were left out."""

    run_id: str
    limit_violations: list[LimitViolation]


class PlanDocument(RunDocument):
    changes: list[ChangeDocument]
    findings: list[FindingRow]
    awaiting_approval: list[AwaitingDocument]


class ApplyDocument(RunDocument):
    done: int
    left: int
    rejected: int
    unverified: int
    left_to_next_plan: int
    left_as_they_are: int
    not_undone: int
    is_complete: bool
    failed: list[ChangeDocument]
    awaiting_approval: list[AwaitingDocument]


class AwaitingRunDocument(RunDocument):
    """The plan needs approval first. `approval_needed_because` says why, and names the next command."""

    approval_needed_because: str


class RunDetailsDocument(RunDocument):
    """`approvals_needed` is for the whole plan."""

    approvals: list[Approval]
    approvals_needed: int
    changes_by_state: dict[str, int]
    changes: list[ChangeDocument]
    findings: list[FindingRow]


class UndoDocument(RunDocument):
    undoes_run_id: str
    approval_needed_because: str
    changes: list[ChangeDocument]
    not_undone: list[FindingRow]


class MergePlanDocument(RunDocument):
    approval_needed_because: str
    changes: list[ChangeDocument]


class StatusDocument(Document):
    """`people` counts people by access, `letters` counts letters by state. `problems` are sentences."""

    people: dict[str, int]
    student_accounts: int
    student_accounts_claimed: int
    staff_accounts: int
    last_import: LastImport | None
    quarantined: int
    last_run: RunStatus | None
    targets: dict[str, TargetStatus]
    changed_people: int
    letters: dict[str, int]
    delayed_letters: int
    letters_error: str
    worker_seen_at: Time | None
    workers: int
    running_run_id: str | None
    awaiting_approval: list[AwaitingPlan]
    schedules: dict[str, ScheduleStatus]
    open_duplicates: int
    problems: list[str]


class ApprovedRunDocument(Document):
    """`approvals_missing` is how many more people must approve it."""

    run_id: str
    digest: str
    approvals: list[Approval]
    approvals_missing: int


class DroppedPinsDocument(Document):
    """`people` is the number of people for whom the records decide again."""

    run_id: str
    people: int


class ScheduleRunDocument(Document):
    """`run_id` is empty when no plan was needed."""

    name: str
    note: str
    run_id: str
    awaits_approval: bool


class ScheduleDocument(Document):
    name: str
    next_at: Time
    last_at: Time | None
    state: str
    note: str
    run_id: str


class DriftTarget(Document):
    target: str
    is_whole: bool
    entries_read: int
    orphans: list[str]
    still_differing: list[str]
    relocked: int
    differences: list[Difference]
    lost: list[str]


class DriftDocument(Document):
    """`lost` are people whose entry is gone. `orphans` are entries of ours without a person."""

    targets: list[DriftTarget]
    overrides: list[Override]


# --- people and accounts --------------------------------------------------------------------------------------------


class PairPerson(Document):
    person_id: str
    os_id: str | None
    album: str | None
    name: str


class PairDocument(Document):
    state: str
    evidence: dict[str, str]
    found_at: Time
    settled_at: Time | None
    settled_by: str
    people: list[PairPerson]


class SessionDocument(Document):
    session_id: str
    signed_in_at: Time
    seen_at: Time
    expires_at: Time
    remembered: bool
    network: str
    browser: str


class ToldApplication(Document):
    application: str
    is_confirmed: bool


class EndedSessionsDocument(Document):
    ended: int
    applications: list[ToldApplication]


class StaffDocument(Document):
    account_id: str
    uid: str
    role: str
    display_name: str
    mail: str
    enabled: bool
    joined_at: Time | None
    invited_at: Time


class InvitationDocument(Document):
    mail: str
    role: str
    link: str
    expires_in_s: float


# --- records, letters, journal, keys, settings ----------------------------------------------------------------------


class QuarantinedRow(Document):
    quarantine_id: str
    os_id: str
    programme: str
    reason: str
    line: int
    import_id: str
    file_name: str
    first_seen_at: Time
    last_seen_at: Time
    sentence: str


class RefusedImportDocument(Document):
    """`refused` is the reason's word: docs/reference/student-records.md."""

    refused: str
    sentence: str


class LetterDocument(Document):
    letter_id: str
    kind: str
    person_id: str
    to: str
    state: str
    attempts: int
    next_attempt_at: Time | None
    last_error: str
    queued_at: Time
    settled_at: Time | None


class SentDocument(Document):
    """`sent_now` counts letters sent by this command. The others count all letters by state."""

    sent_now: int
    pending: int
    sent: int
    dead: int


class AlbumLettersDocument(Document):
    """`without_usable_address` are person ids."""

    dry_run: bool
    queued: int
    without_usable_address: list[str]


class EventDocument(Document):
    event_id: str
    at: Time
    kind: str
    actor: str
    subject: str
    reason: str
    correlation_id: str
    data: dict[str, Any]


class BrokenChain(Document):
    sequence_number: int
    fault: str


class VerdictDocument(Document):
    checked: int
    erased: int
    checkpoints: int
    broken: BrokenChain | None


class SettingsCheck(Document):
    """`checked` are the files and variables by application."""

    ok: bool
    checked: dict[str, list[str]]
    warnings: list[str]


# --- applications ---------------------------------------------------------------------------------------------------


class ApplicationDocument(Document):
    application: str
    name: dict[str, str]
    owner: str
    contact: str
    links: dict[str, str]
    required_assurance: str
    principal: str
    attributes: list[str]
    addresses: list[str]
    expires: date | None


class LintDocument(Document):
    """`applications` is how many there are."""

    applications: int
    findings: list[RegistrationFinding]


class MatchDocument(Document):
    """`application` is null if no registration matches. Then `why` names the nearest ones."""

    address: str
    application: str | None
    rule: str | None
    why: list[str]
    principal: str | None
    attributes: list[str]
    attributes_in_cas2: bool | None
    required_assurance: str | None
    owner: str | None
    contact: str | None
    links: dict[str, str]
    released: dict[str, list[str]] | None


# --- fees -----------------------------------------------------------------------------------------------------------


class RecordedDocument(Document):
    """`known` entries were recorded before, under the same reference."""

    added: int
    known: int
    references: list[str]


class InventedDocument(Document):
    charges: int
    payments: int


class FeesAccountDocument(Document):
    """An individual account. `number` is a Polish account number of 26 digits."""

    number: str
    kind: str
    currency: str


class ChargeDocument(Document):
    """`effective_due_on` is `due_on` or the next working day. `days` are the days left, or the days late."""

    reference: str
    title: str
    title_en: str
    kind: str
    amount: str
    currency: str
    due_on: date
    effective_due_on: date
    state: Condition
    days: int
    settled_on: date | None
    paid_amount: str


class PaymentDocument(Document):
    """`unused_amount` is not allocated to a charge yet."""

    reference: str
    account: str
    amount: str
    currency: str
    ordered_on: date | None
    credited_on: date
    unused_amount: str


class FeesStudentDocument(Document):
    """A student's charges and payments. Amounts are text with two decimals: `"1450.00"`."""

    os_id: str
    album: str | None
    name: str
    accounts: list[FeesAccountDocument]
    charges: list[ChargeDocument]
    payments: list[PaymentDocument]


class FeesEventDocument(Document):
    event_id: str
    at: Time
    kind: str
    actor: str
    subject: str
    correlation_id: str
    data: dict[str, Any]


DOCUMENTS: dict[str, Any] = {
    "accounts locked": list[LockDocument],
    "addresses preview": IntakePreview,
    "applications explain": MatchDocument,
    "applications lint": LintDocument,
    "applications list": list[ApplicationDocument],
    "apply": ApplyDocument,
    "apply (awaiting approval)": AwaitingRunDocument,
    "audit": list[EventDocument],
    "audit verify": VerdictDocument,
    "config check": SettingsCheck,
    "drift": DriftDocument,
    "explain person": Explanation,
    "fees charge": RecordedDocument,
    "fees demo-data": InventedDocument,
    "fees journal": list[FeesEventDocument],
    "fees list": list[FeesStudentDocument],
    "fees payment": RecordedDocument,
    "fees students": StudentsImported,
    "keys list": dict[str, list[str]],
    "letters albums": AlbumLettersDocument,
    "letters list": list[LetterDocument],
    "letters send": SentDocument,
    "people duplicates list": list[PairDocument],
    "people duplicates show": PairDocument,
    "people find": list[FoundPerson],
    "people merge": MergePlanDocument,
    "people unmerge": MergePlanDocument,
    "plan": PlanDocument,
    "registry import": ImportResult,
    "registry import (refused)": RefusedImportDocument,
    "registry quarantine": list[QuarantinedRow],
    "runs approve": ApprovedRunDocument,
    "runs list": list[RunDocument],
    "runs show": RunDetailsDocument,
    "schedules list": list[ScheduleDocument],
    "schedules run": ScheduleRunDocument,
    "sessions end": EndedSessionsDocument,
    "sessions list": list[SessionDocument],
    "staff invite": InvitationDocument,
    "staff list": list[StaffDocument],
    "status": StatusDocument,
    "undo": UndoDocument,
    "undo --drop-pins": DroppedPinsDocument,
}
