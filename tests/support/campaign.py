"""`make campaign`: every suite at its full counts, seeded, resumable, its result written down with the machine.

`python -m tests.support.campaign --seed SEED` runs pytest with `--campaign SEED`. What has passed for this seed and
this state of the code is remembered in var/campaign/ and not run again, so a run that was stopped goes on.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.suites import suite_of

PROJECT = Path(__file__).parents[2]
REPORT = PROJECT / "docs" / "reference" / "campaign.md"
HEAD = """# Campaigns

`make campaign` runs every suite at its full counts (tests/support/counts.py). `make campaign SEED=…` repeats one, or
goes on where it was stopped. The newest stands first.
"""


class Progress:
    """Remembers each test's outcome in a file, and leaves out what has passed before."""

    def __init__(self, file: Path, *, writes: bool) -> None:
        self._file = file
        self._writes = writes
        self._passed = {outcome.test for outcome in outcomes(file) if outcome.passed}
        self._failed: set[str] = set()
        self._seconds: dict[str, float] = defaultdict(float)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        done = [item for item in items if item.nodeid in self._passed]
        items[:] = [item for item in items if item.nodeid not in self._passed]
        config.hook.pytest_deselected(items=done)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not self._writes:
            return
        # xdist appends the group's name to what it reports; the collected name has none.
        test = report.nodeid.rsplit("@", 1)[0] if "@" in report.nodeid.rsplit("]", 1)[-1] else report.nodeid
        self._seconds[test] += report.duration
        if report.failed:
            self._failed.add(test)
        if report.when == "teardown":
            line = {"test": test, "passed": test not in self._failed, "seconds": round(self._seconds[test], 3)}
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test's last outcome."""

    test: str
    passed: bool
    seconds: float


def outcomes(file: Path) -> list[Outcome]:
    """Return the last outcome of each test; a half-written last line of a killed run is left out."""
    found: dict[str, Outcome] = {}
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                outcome = Outcome(**json.loads(line))
                found[outcome.test] = outcome
    return list(found.values())


def main() -> int:
    """Run, or go on with, one campaign; write its result; return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options, more = parser.parse_known_args()
    state = _git("rev-parse", "--short", "HEAD") + (
        "+changes" if _git("status", "--porcelain", "-uno", "--", ":!docs") else ""
    )
    file = PROJECT / "var" / "campaign" / f"{options.seed}-{state}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    print(f"Campaign with seed {options.seed}; stopped, it goes on with: make campaign SEED={options.seed}", flush=True)
    words = ["--numprocesses", str(options.jobs), "--dist", "loadgroup", *more]
    seeded = ["--campaign", str(options.seed), "--campaign-file", str(file), f"--hypothesis-seed={options.seed}"]
    code = subprocess.run([sys.executable, "-m", "pytest", *words, *seeded], cwd=PROJECT, check=False).returncode
    # 5: everything had passed before.
    if code in (0, 1, 5):
        _write(options.seed, state, outcomes(file))
        print(f"Written to {REPORT.relative_to(PROJECT)}")
    return 0 if code == 5 else code


def _write(seed: int, state: str, results: list[Outcome]) -> None:
    heading = f"## Seed {seed}, code {state}"
    older = REPORT.read_text(encoding="utf-8").removeprefix(HEAD) if REPORT.exists() else ""
    sections = [f"## {part}" for part in older.split("\n## ")[1:] if not f"## {part}".startswith(heading + "\n")]
    text = "\n".join([HEAD, _section(heading, results), *(section.strip() + "\n" for section in sections)])
    REPORT.write_text(text, encoding="utf-8")


def _section(heading: str, results: list[Outcome]) -> str:
    suites: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in results:
        suites[suite_of(outcome.test)].append(outcome)
    rows = [
        f"| {suite} | {len(of)} | {sum(not one.passed for one in of)} | {sum(one.seconds for one in of):.0f} |"
        for suite, of in sorted(suites.items())
    ]
    failed = [f"- failed: `{outcome.test}`" for outcome in results if not outcome.passed]
    facts = f"{datetime.now(UTC):%Y-%m-%d} on {_machine()}, Python {platform.python_version()}."
    table = ["| suite | tests | failed | seconds |", "| --- | --- | --- | --- |", *rows]
    return "\n".join([heading, "", facts, "", *table, "", *failed]).strip() + "\n"


def _machine() -> str:
    processor = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {processor}, {memory_gib:.0f} GiB, Linux {platform.release()}"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
