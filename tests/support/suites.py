"""Print at the end how many seconds each suite took, just above pytest's own summary."""

from collections import defaultdict

import pytest


class SuiteTimes:
    """Adds up what pytest reports: set-up, call and tear-down, per folder under tests/."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._tests: dict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        suite = suite_of(report.nodeid)
        self._seconds[suite] += report.duration
        self._tests[suite] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._seconds:
            return
        terminalreporter.section("seconds per suite (summed over the workers)")
        for suite in sorted(self._seconds):
            terminalreporter.write_line(f"{suite:<16} {self._tests[suite]:>5} tests {self._seconds[suite]:>8.1f} s")


def suite_of(nodeid: str) -> str:
    """`tests/store/test_base.py::test_x` -> `store`; a file right under tests/ -> `project`."""
    parts = nodeid.split("::", 1)[0].split("/")
    return parts[1] if len(parts) > 2 else "project"
