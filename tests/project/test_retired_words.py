"""Names that decision 0010 and the glossary retired stay retired.

In Python, a name counts where it is an identifier or a whole string: a table, a column, a setting, a kind of event. In
other files it counts if it cannot be an English word: it has an underscore, a dot or a capital inside. Of Markdown,
only code is read.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FOLDERS = ("idp", "deploy", "tests", "benchmarks")
OTHER_FOLDERS = (*FOLDERS, "docs", "scripts", ".ci")
OTHER_ENDINGS = frozenset(
    {".toml", ".html", ".txt", ".sh", ".md", ".json", ".conf", ".service", ".yml", ".yaml", ".js", ""}
)
HISTORY = ("docs/decisions/", "docs/reference/campaign.md")
"""Pages that tell what something was called before."""

RETIRED: dict[str, str] = {
    "account_hold": "account_lock",
    "add_hold": "add_lock",
    "drop_hold": "remove_lock",
    "hold_queries": "lock_queries",
    "held_by": "locked_by",
    "held_at": "locked_at",
    "Approver": "Actor",
    "ask_for": "request",
    "asked_by": "requested_by",
    "take_up": "start_attempt",
    "Carrier": "EngineRunner",
    "carrier": "runner",
    "let_go": "retry",
    "target.let_go": "target.retried",
    "run.waiting": "run.awaiting_approval",
    "count_dirty": "count_changes",
    "mark_dirty": "queue_recompute",
    "mark_many_dirty": "queue_recompute",
    "sweep_dirty": "sweep_live",
    "undecided": "awaiting_approval",
    "waiting_runs": "awaiting_runs",
    "put_off": "next_attempt_at",
    "part_writer": "chunk_writer",
    "first_few": "canary",
    "stray": "orphan",
    "strays": "orphans",
    "stranger": "orphan",
    "Sighting": "ObservedChange",
    "sighting": "ObservedChange",
    "Standing": "PersonStatus",
    "standing": "person_status",
    "Footing": "EnrolmentEffect",
    "footing": "enrolment_effect",
    "Door": "SignOnService",
    "let_in": "sign_in",
    "let_out": "sign_out",
    "who_is": "current_session",
    "Watch": "LoginThrottle",
    "WaitingLine": "ConcurrencyLimiter",
    "TicketDesk": "TicketService",
    "StaffDesk": "StaffService",
    "SignOutDesk": "SignOutService",
    "Hindrance": "DenialReason",
    "hindrance": "denial_reason",
    "withheld": "denied",
    "Seldom": "EventSampler",
    "seldom": "sampler",
    "shortcut": "wsgi_fast_path",
    "pulse": "heartbeat",
    "take_over": "reclaim",
    "Moody": "FaultyTarget",
    "MoodyTarget": "FaultyTarget",
    "Mumbling": "LostResponseTarget",
    "MumblingTarget": "LostResponseTarget",
    "logout_owed": "outbox",
    "release_hold": "unlock",
    "on_hold": "locked",
    "held_value": "pin",
    "HeldValue": "Pin",
    "wanted_entry": "effective_entry",
    "WantedEntry": "EffectiveEntry",
    "bring_true": "reconcile",
    "dirty_row": "person_change",
    "quarantined_person": "failed",
    "waiting_run": "awaiting_run",
    "excess": "limit_violation",
    "Excess": "LimitViolation",
    "PartWriter": "ChunkWriter",
    "parts_at_once": "chunks_at_once",
    "carrying": "applying",
    "carried_by": "runner",
    "carries_runs": "executes_runs",
    "Newcomer": "IntakePerson",
    "newcomer": "recipient",
    "newcomers": "recipients",
    "Turn": "BoundedLock",
    "wait_for_turn": "wait_for_lock",
    "Try": "LoginAttempt",
    "count_try": "count_attempt",
    "provisioning.tries": "provisioning.max_attempts",
    "claim_tries_per_day": "claim_attempts_per_day",
    "drop_old_claim_tries": "drop_old_claim_attempts",
    "too_many_tries": "too_many_attempts",
    "HOLD_S": "LEASE_S",
    "hold_s": "lease_s",
    "give_token": "issue",
    "facts_of": "pair_records",
    "make_desk": "make_service",
    "StudentsTaken": "StudentsImported",
    "students.taken": "students.imported",
    "take_students": "import_students",
    "works_for_s": "expires_in_s",
    "waits_because": "approval_needed_because",
    "plans_waiting": "awaiting_approval",
    "WaitingPlan": "AwaitingPlan",
    "students_accounts": "student_accounts",
    "students_claimed": "student_accounts_claimed",
    "survey": "scan",
    "examine": "evaluate",
}
"""Retired name: the name that took its place."""

ALLOWED: dict[str, str] = {}
"""Path and name that may stay, with the reason."""

WAITING: frozenset[str] = frozenset()
"""Names that code still has. The set only shrinks."""


def names_in(source: str) -> Iterator[str]:
    """Yield every identifier, and every text that is one word or a dotted one."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.string
        elif token.type == tokenize.STRING:
            yield token.string.strip("\"'")


def coined_names_in(text: str, *, is_markdown: bool = False) -> Iterator[str]:
    """Yield every name that cannot be an English word."""
    parts = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL) if is_markdown else [text]
    for name in re.findall(r"[A-Za-z][\w.]*\w", "\n".join(parts)):
        if re.search(r"[_.]|[a-z][A-Z]", name):
            yield name
            yield from name.split(".")


def files() -> list[Path]:
    this = Path(__file__)
    return [file for folder in FOLDERS for file in sorted((PROJECT / folder).rglob("*.py")) if file != this]


def other_files() -> list[Path]:
    """Return what is no Python: settings, templates, scripts, services, documents."""
    inside = (file for folder in OTHER_FOLDERS for file in sorted((PROJECT / folder).rglob("*")))
    at_top = (file for file in sorted(PROJECT.iterdir()) if file.name != "CHANGELOG.md")
    return [
        file
        for file in (*at_top, *inside)
        if file.is_file()
        and file.suffix in OTHER_ENDINGS
        and not str(file.relative_to(PROJECT)).startswith(HISTORY)
        and "__pycache__" not in file.parts
    ]


def test_no_retired_name_is_used() -> None:
    found = {
        f"{file.relative_to(PROJECT)} {name}"
        for file in files()
        for name in set(names_in(file.read_text(encoding="utf-8"))) & RETIRED.keys() - WAITING
    }

    assert found - ALLOWED.keys() == set()


def test_no_retired_name_stands_in_settings_templates_scripts_or_documents() -> None:
    found = {
        f"{file.relative_to(PROJECT)} {name}"
        for file in other_files()
        for name in set(coined_names_in(file.read_text("utf-8", "replace"), is_markdown=file.suffix == ".md"))
        & RETIRED.keys() - WAITING
    }

    assert found == set()


def test_names_that_wait_are_still_used() -> None:
    used = {name for file in files() for name in names_in(file.read_text(encoding="utf-8"))}

    assert WAITING - used == set(), "take them out of WAITING"


@pytest.mark.parametrize("source", ["def let_in(): ...", "x.let_in", 'Table("let_in")', "class A: let_in: int"])
def test_a_retired_name_is_seen(source: str) -> None:
    assert "let_in" in set(names_in(source))


@pytest.mark.parametrize(
    "text", ["carries_runs = true", "[jobs.carries_runs]", "{{ jobs.carries_runs }}", "idp --set jobs.carries_runs=1"]
)
def test_a_retired_name_is_seen_outside_of_python(text: str) -> None:
    assert "carries_runs" in set(coined_names_in(text))


def test_of_a_document_only_code_is_read() -> None:
    text = "In prose let_in is a word. In code `jobs.parts_at_once` is a setting."

    assert set(coined_names_in(text, is_markdown=True)) == {"jobs.parts_at_once", "jobs", "parts_at_once"}


def test_prose_may_use_any_word() -> None:
    assert set(names_in('"""They let_in people at the Door."""')).isdisjoint(RETIRED)
