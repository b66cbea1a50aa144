"""Names that decision 0010 and the glossary retired stay retired.

A name counts where it is an identifier, or the whole of a text: a table, a column, a setting, a kind of event. Prose is
not read.
"""

import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FOLDERS = ("idp", "deploy", "tests", "benchmarks")

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


def files() -> list[Path]:
    this = Path(__file__)
    return [file for folder in FOLDERS for file in sorted((PROJECT / folder).rglob("*.py")) if file != this]


def test_no_retired_name_is_used() -> None:
    found = {
        f"{file.relative_to(PROJECT)} {name}"
        for file in files()
        for name in set(names_in(file.read_text(encoding="utf-8"))) & RETIRED.keys() - WAITING
    }

    assert found - ALLOWED.keys() == set()


def test_names_that_wait_are_still_used() -> None:
    used = {name for file in files() for name in names_in(file.read_text(encoding="utf-8"))}

    assert WAITING - used == set(), "take them out of WAITING"


@pytest.mark.parametrize("source", ["def let_in(): ...", "x.let_in", 'Table("let_in")', "class A: let_in: int"])
def test_a_retired_name_is_seen(source: str) -> None:
    assert "let_in" in set(names_in(source))


def test_prose_may_use_any_word() -> None:
    assert set(names_in('"""They let_in people at the Door."""')).isdisjoint(RETIRED)
