"""How a plan is printed for people."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from idp.cli.plans import print_changes, print_findings, print_totals
from idp.cli.runs import runs_table
from idp.provisioning.run import ChangeRow, FindingRow, LimitViolation, Run, RunKind, RunState, TargetSummary
from idp.provisioning.values import Entry

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
LONG = "urn:schac:personalUniqueCode:int:esi:po.edu.pl:" + "12345" * 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plan_of(**parts: TargetSummary) -> Run:
    return Run(
        run_id="run1",
        kind=RunKind.SYNC,
        state=RunState.PLANNED,
        created_at=AT,
        created_by="shell:ewa",
        digest="0a1b",
        undoes=None,
        chunk=100,
        requested_by="",
        attempt=0,
        runner=None,
        started_at=None,
        progress_at=None,
        next_attempt_at=None,
        finished_at=None,
        error="",
        error_code="",
        summary=parts,
    )


def update_of(before: str, after: str) -> ChangeRow:
    old, new = (Entry("p1", "u1", True, {"schacPersonalUniqueCode": (value,)}).to_json() for value in (before, after))
    return ChangeRow(1, "ldap", "p1", "update", "u1", old, new, "student", "digest")


def test_a_long_value_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_changes([update_of(LONG, f"{LONG}9")], {"p1": "Anna Nowak"})

    assert f"{LONG}  {LONG}9  student" in capsys.readouterr().out


def test_a_long_value_is_folded_and_not_cut_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")

    print_changes([update_of("a" * 200, "b" * 200)], {"p1": "Anna Nowak"})

    shown = terminal.getvalue()
    assert (shown.count("a") >= 200, shown.count("b") >= 200, "…" in shown) == (True, True, False)


def test_what_a_target_says_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([FindingRow(1, "ldap", "p1", "u1", "left as it is [red]since[/red]")])

    assert capsys.readouterr().out == "Check u1 in ldap: left as it is [red]since[/red].\n"


def test_a_target_that_could_not_be_read_is_named_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    print_totals(plan_of(ldap=TargetSummary(0, unread="no answer within 2 s")), shown=0)

    assert "ldap: not read, so nothing is planned there: no answer within 2 s" in capsys.readouterr().out


def test_changes_that_are_not_shown_are_a_command_away(capsys: pytest.CaptureFixture[str]) -> None:
    print_totals(plan_of(ldap=TargetSummary(1, {"create": 1500})), shown=20)

    shown = capsys.readouterr().out
    assert "ldap: 1,500 create (1 entry now)" in shown
    assert "Shown: 20 of 1,500 changes." in shown
    assert "idp runs export run1 FILE" in shown


@pytest.mark.parametrize(("columns", "lines"), [(80, 4), (200, 2)])
def test_a_list_of_runs_cuts_nothing_and_needs_one_line_each_where_there_is_room(columns: int, lines: int) -> None:
    violation = LimitViolation("ldap", "disable", 310, 620, 124)
    run = replace(plan_of(ldap=TargetSummary(620, {"disable": 310})), run_id="0" * 31 + "1", violations=(violation,))
    file = io.StringIO()

    console = Console(file=file, width=columns)
    console.print(runs_table([run], ZoneInfo("Europe/Warsaw"), is_narrow=columns < 140))

    shown = file.getvalue()
    assert "…" not in shown
    for text in ("0" * 31 + "1", "sync", "planned", "2026-11-30 13:00:00+01:00", "shell:ewa", "310 of 620"):
        assert text in shown
    assert len(shown.splitlines()) == lines
