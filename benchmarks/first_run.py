"""The first run of an installation: people through import, plan and apply, each by its own command.

    .venv/bin/python -m benchmarks.first_run [--people 20000] [--no-sync]

A private slapd and an SQLite store in a temporary folder. Prints seconds and peak memory of each step.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe
from deploy.openldap.private import PrivateSlapd

PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Step:
    """What one command took."""

    name: str
    seconds: float
    peak_mib: float
    said: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--no-sync", action="store_true", help="slapd answers before the disk has the change")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="idp-first-run-") as folder,
        PrivateSlapd(Path(folder) / "ldap", durable=not asked.no_sync, dies_with_us=True) as slapd,
    ):
        steps = walk(Path(folder), slapd, asked.people)
        slapd_mib = _peak_of(slapd)
    print("\n".join(describe()))
    print(f"{asked.people} people; slapd {'without' if asked.no_sync else 'with'} fsync, peak {slapd_mib:.0f} MiB\n")
    for step in steps:
        print(f"{step.name:<36} {step.seconds:8.1f} s {step.peak_mib:8.0f} MiB   {step.said}")
    return 0


def walk(folder: Path, slapd: PrivateSlapd, people: int) -> list[Step]:
    """Return what each command of a first run took, and of a second plan and apply."""
    environment = _installation(folder, slapd)
    export = folder / "export.csv"
    count = str(people)
    return [
        _run(environment, "sample", "registry", "sample", str(export), "--people", count, "--seed", "1"),
        _run(environment, "setup", "setup"),
        _run(environment, "import", "registry", "import", str(export), "--json", tell=("added", "quarantined_rows")),
        _run(environment, "plan", "plan", "--json", "--limit", "1", tell=("targets",)),
        _run(environment, "apply (plans, writes, looks again)", "apply", "--json", tell=("done", "rejected", "left")),
        _run(environment, "import, same file", "registry", "import", str(export), "--json", tell=("added", "changed")),
        _run(environment, "plan, nothing changed", "plan", "--json", "--limit", "1", tell=("total",)),
        _run(environment, "status", "status", "--json", tell=("people",)),
    ]


def _installation(folder: Path, slapd: PrivateSlapd) -> dict[str, str]:
    directory = slapd.settings.model_dump(mode="json", exclude_none=True)
    lines = ["[store]", 'folder = "data"', "[keys]", 'folder = "keys"', "[directory]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in directory.items()]
    (folder / "idp.toml").write_text("\n".join(lines) + "\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return {**clean, "IDP_CONFIG": str(folder / "idp.toml")}


def _run(environment: dict[str, str], name: str, *words: str, tell: tuple[str, ...] = ()) -> Step:
    print(f"{name} …", file=sys.stderr)
    before = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen([sys.executable, "-m", "idp", *words], cwd=PROJECT, env=environment, stdout=said)  # noqa: S603
        _, status, usage = os.wait4(child.pid, 0)  # the only way to learn one child's own peak
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - before
        said.seek(0)
        text = said.read().decode()
    if child.returncode != 0:
        raise SystemExit(f"idp {' '.join(words)} ended with {child.returncode}:\n{text[-2000:]}")
    facts = json.loads(text) if tell else {}
    return Step(name, seconds, usage.ru_maxrss / 1024, ", ".join(f"{key} {json.dumps(facts[key])}" for key in tell))


def _peak_of(slapd: PrivateSlapd) -> float:
    status = Path(f"/proc/{slapd.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main())
