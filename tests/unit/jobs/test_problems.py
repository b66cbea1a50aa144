"""What `idp status --check` calls a problem."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from idp.jobs.count_queries import LastImport
from idp.jobs.status import AwaitingPlan, RunStatus, ScheduleStatus, Status, TargetStatus, problems_of
from idp.provisioning.run import LimitViolation

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
AWAITING = AwaitingPlan("r2", AT, "system", (LimitViolation("ldap", "disable", 9, 20, 5),), 1)
WELL = Status(
    people={"active": 1},
    student_accounts=1,
    student_accounts_claimed=1,
    staff_accounts=0,
    last_import=LastImport("i1", "export.csv", "done", "", AT, AT, 1),
    quarantined=0,
    last_run=RunStatus("r1", "applied", AT, AT, {"done": 1}, ""),
    targets={"ldap": TargetStatus(is_reachable=True, error="", entries=1, pending=0)},
    changed_people=0,
    letters={"pending": 1, "sent": 3, "dead": 0},
    worker_seen_at=AT,
    workers=2,
    running_run_id=None,
    awaiting_approval=(),
    schedules={"sync": ScheduleStatus(AT, "done", "", is_delayed=False)},
)
WRONG: Mapping[str, tuple[dict[str, object], str]] = {
    "worker": ({"workers": 0}, "No worker is running"),
    "target": ({"targets": {"ldap": TargetStatus(False, "refused", 1, 0)}}, "ldap does not answer: refused"),
    "target that fails once": (
        {"targets": {"ldap": TargetStatus(True, "busy", 1, 1, failures=1)}},
        "ldap failed once: busy",
    ),
    "target that fails": (
        {"targets": {"ldap": TargetStatus(True, "busy", 1, 1, failures=3)}},
        "ldap failed 3 times in a row: busy",
    ),
    "given up": ({"targets": {"ldap": TargetStatus(True, "", 1, 1, given_up=1)}}, "People given up in target ldap: 1"),
    "plan": (
        {"awaiting_approval": (AWAITING,)},
        "r2 awaits approval",
    ),
    "import": ({"last_import": LastImport("i2", "bad.csv", "refused", "too_old", AT, AT, 0)}, "bad.csv, was refused"),
    "run": ({"last_run": RunStatus("r1", "incomplete", AT, None, {}, "away")}, "r1 is incomplete: away"),
    "schedule": ({"schedules": {"sync": ScheduleStatus(AT, "failed", "why", False)}}, "sync has not succeeded: why"),
    "letters": ({"letters": {"dead": 2}}, "Letters that could not be delivered: 2"),
    "letters that wait": (
        {"delayed_letters": 3, "letters_error": "code 553"},
        "3 letters wait after an error: code 553",
    ),
}


def test_nothing_is_wrong_where_all_is_well() -> None:
    assert problems_of(WELL) == []


def test_pairs_to_be_judged_are_work_and_no_problem() -> None:
    assert problems_of(replace(WELL, open_duplicates=3)) == []


def test_a_target_that_answers_again_is_no_problem_where_nobody_waits_for_it() -> None:
    recovered = TargetStatus(is_reachable=True, error="no answer", entries=1, pending=0, failures=3)

    assert problems_of(replace(WELL, targets={"ldap": recovered})) == []


@pytest.mark.parametrize("what", WRONG)
def test_each_thing_that_somebody_must_look_at_is_a_problem(what: str) -> None:
    values, sentence = WRONG[what]

    (problem,) = problems_of(replace(WELL, **values))  # type: ignore[arg-type] # the table above

    assert sentence in problem
