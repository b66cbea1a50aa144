"""The engine's table of sizes, beside OpenLDAP's own tools on the same data in the same run.

    .venv/bin/python -m benchmarks.provisioning [--people 10000] [--many 20000] [--full] [--only load,…]

load     --people into a running slapd, without and with fsync, beside ldapadd; reading and comparing, beside
         ldapsearch; a cycle in which nothing changed
many     --many people: import, import of another order with 0.5 % changed, a first fill by slapadd, a cycle
workers  one worker and two on PostgreSQL, the directory 20 ms away
student  one changed student in a running worker: a delta file of one row, and a full file, until LDAP has it

--full takes 100,000 for --people and 1,000,000 for --many (about an hour). Everything is in a temporary folder, each
step is a process of its own. Seconds are of the clock, `cpu` is our own processor time: compare that on a busy machine.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.two_workers import IN_FLIGHT, ROUND_TRIP_S, two_workers
from deploy.openldap.private import PrivateSlapd

PROJECT = Path(__file__).parents[1]


@dataclass(slots=True)
class Report:
    """Lines as they are found, so that a run that is broken off has said something."""

    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="load,many,student,workers")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers and workers end with us
    people, many = (100_000, 1_000_000) if asked.full else (asked.people, asked.many)
    report = Report()
    for line in describe():
        report.say(line)
    with tempfile.TemporaryDirectory(prefix="idp-provisioning-") as folder:
        for name in asked.only.split(","):
            here = Path(folder) / name
            here.mkdir()
            {
                "load": lambda here=here: load(here, people, report),
                "many": lambda here=here: million(here, many, report),
                "student": lambda here=here: student(here, people, report),
                "workers": lambda here=here: workers(here, min(people, 4_000), report),
            }[name]()
            shutil.rmtree(here)
    return 0


# --- a first load, reading, a cycle ---------------------------------------------------------------------------------


def load(folder: Path, people: int, report: Report) -> None:
    """Load people into a running slapd by our run and by ldapadd."""
    records = Installation.make(folder / "records", people)
    for durable in (False, True):
        word = "with fsync" if durable else "without fsync"
        report.say(f"\nload of {people} people, slapd {word}")
        theirs, data = _ldapadd(folder, records, durable, report)
        ours = _our_load(folder, records, durable, report)
        report.say(f"  ratio to ldapadd: {theirs / ours:.2f}")
        shutil.rmtree(data)


def _ldapadd(folder: Path, records: "Installation", durable: bool, report: Report) -> tuple[float, Path]:
    home = folder / "theirs"
    with PrivateSlapd(home, durable=durable, dies_with_us=True) as slapd:
        records.use(slapd)
        ldif = home / "people.ldif"
        records.idp("export", "ldif", str(ldif))
        tool = _tool(slapd, "ldapadd", "-f", str(ldif))
        report.say(f"  ldapadd       {tool}")
        if not durable:
            with slapd_read(slapd) as words:
                read = _tool(slapd, "ldapsearch", *words)
            report.say(f"  ldapsearch    {read}")
            records.ldapsearch_s = read.seconds
    return tool.seconds, home


@contextmanager
def slapd_read(slapd: PrivateSlapd) -> Iterator[list[str]]:
    """Yield the words with which ldapsearch reads what we read."""
    from idp.provisioning.targets.ldap import READ as ATTRIBUTES

    people_dn = slapd.settings.people_dn
    yield ["-LLL", "-o", "ldif-wrap=no", "-b", people_dn, "-s", "one", "(idpOwner=*)", *ATTRIBUTES]


def _our_load(folder: Path, records: "Installation", durable: bool, report: Report) -> float:
    home = folder / "ours"
    with PrivateSlapd(home, durable=durable, dies_with_us=True) as slapd:
        installation = records.copy(folder / "copy")
        installation.use(slapd)
        planned = installation.step("plan")
        report.say(f"  plan          {planned}")
        before = cpu_of(slapd)
        applied = installation.step("apply", planned.said["run_id"])
        said = applied.said
        report.say(
            f"  apply, write  {said['write_seconds']:.1f} s, cpu {said['write_cpu']:.1f} s"
            f" ({1000 * said['write_cpu'] / max(1, said['in_ldap']):.3f} ms each),"
            f" slapd cpu {cpu_of(slapd) - before:.1f} s,"
            f" whole step {applied.seconds:.1f} s, peak {applied.peak_mib:.0f} MiB"
            f"; {said['done']} done, accounts {said['accounts_seconds']:.1f} s"
        )
        report.say(f"  apply, verify {said['verify_seconds']:.1f} s, cpu {said['verify_cpu']:.1f} s")
        if not durable:
            compared = installation.step("compare")
            report.say(f"  compare       {compared}; ratio to ldapsearch {records.ldapsearch_s / compared.seconds:.2f}")
            report.say(f"  cycle         {installation.step('plan')}")
    shutil.rmtree(home)
    shutil.rmtree(folder / "copy")
    seconds: float = said["write_seconds"]
    return seconds


# --- very many people -----------------------------------------------------------------------------------------------


def million(folder: Path, people: int, report: Report) -> None:
    """Import, import again with few changes, fill the directory by slapadd, and look whether anything is to do."""
    report.say(f"\n{people} people")
    records = Installation.make(folder / "records", people, report)
    changed = folder / "changed.csv"
    # In another process: a child's peak begins with what we have ourselves.
    with ProcessPoolExecutor(1) as pool:
        count = pool.submit(shuffle, records.export, changed, share=0.005).result()
    report.say(f"  import, other order, {count} changed: {records.step('import', str(changed))}")
    with PrivateSlapd(folder / "slapd", durable=False, dies_with_us=True) as slapd:
        records.use(slapd)
        ldif = folder / "people.ldif"
        report.say(f"  export ldif   {records.idp('export', 'ldif', str(ldif))}")
        start = time.perf_counter()
        slapd.load(ldif)
        report.say(f"  slapadd       {time.perf_counter() - start:.1f} s")
        planned = records.step("plan")
        report.say(f"  plan, first   {planned}")
        if planned.said["changes"]:
            report.say(f"  apply         {records.step('apply', planned.said['run_id'])}")
        report.say(f"  cycle         {records.step('plan')}")
        report.say(f"  compare       {records.step('compare')}")
        report.say(f"  plan --all    {records.step('everybody')}")
    records.say_peaks(report)


def shuffle(source: Path, target: Path, share: float) -> int:
    """Write the rows of an export in another order, with another private address for a share of the people."""
    header, *lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    column = {word: place for place, word in enumerate(header.rstrip().split(";"))}
    programmes = Counter(line.split(";", 1)[0] for line in lines)
    chance = random.Random(1)  # noqa: S311 - a benchmark repeats itself
    count = 0
    for number, line in enumerate(lines):
        fields = line.rstrip("\n").split(";")
        if _is_plain(line, column) and programmes[fields[0]] == 1 and chance.random() < share:
            fields[column["email_prywatny"]], fields[column["zmieniono"]] = f"other.{fields[0]}@example.org", _now()
            lines[number] = ";".join(fields) + "\n"
            count += 1
    chance.shuffle(lines)
    with target.open("w", encoding="utf-8") as file:
        file.write(header)
        file.writelines(lines)
    return count


def _is_plain(line: str, column: dict[str, int]) -> bool:
    return '"' not in line and line.count(";") == len(column) - 1


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


# --- one student ----------------------------------------------------------------------------------------------------


def student(folder: Path, people: int, report: Report) -> None:
    """Change one student's name by a file in the inbox of a running worker, and wait until the directory has it."""
    report.say(f"\none changed student among {people}, in a running worker")
    records = Installation.make(folder / "records", people)
    inbox = folder / "inbox"
    inbox.mkdir()
    with PrivateSlapd(folder / "slapd", durable=False, dies_with_us=True) as slapd:
        records.use(slapd, f'[registry]\ninbox = "{inbox}"\n')
        ldif = folder / "people.ldif"
        records.idp("export", "ldif", str(ldif))
        slapd.load(ldif)
        records.use(slapd, f'[registry]\ninbox = "{inbox}"\n')
        planned = records.step("plan")
        if planned.said["changes"]:
            records.step("apply", planned.said["run_id"])
        with (folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "idp", "worker", "--lane", "bulk"],
                cwd=PROJECT,
                env=records.environment,
                stdout=log,
                stderr=log,
            )
        try:
            time.sleep(15)  # it has started, and done what was to do
            for name in ("delta", "full", "delta", "full"):
                took = _until_changed(slapd, folder, records.export, inbox, name)
                report.say(f"  {name:<6} file: in LDAP {took:.2f} s after it arrived")
        finally:
            worker.terminate()
            worker.wait()


def _until_changed(slapd: PrivateSlapd, folder: Path, export: Path, inbox: Path, kind: str) -> float:
    """Return the seconds from a file's arrival until the directory has its one change."""
    name = "Zmieniona" + "".join(random.choices("abcdefghij", k=8))  # noqa: S311 - told apart, not secret
    header, *lines = export.read_text(encoding="utf-8").splitlines(keepends=True)
    column = {word: place for place, word in enumerate(header.rstrip().split(";"))}
    programmes = Counter(line.split(";", 1)[0] for line in lines)
    number, fields = next(
        (number, fields)
        for number, line in enumerate(lines)
        if _is_plain(line, column) and programmes[(fields := line.rstrip("\n").split(";"))[0]] == 1
        if fields[column["status"]] == "active" and fields[column["nr_albumu"]]
    )
    fields[column["nazwisko"]], fields[column["zmieniono"]] = name, _now()
    lines[number] = ";".join(fields) + "\n"
    export.write_text(header + "".join(lines), encoding="utf-8")
    made = folder / "made.csv"
    made.write_text(header + (lines[number] if kind == "delta" else "".join(lines)), encoding="utf-8")
    album = fields[column["nr_albumu"]]
    start = time.perf_counter()
    made.rename(inbox / f"{name}{'.delta' if kind == 'delta' else ''}.csv")
    while time.perf_counter() - start < 120:
        said = _search(slapd, f"(idpAlbum={album})", "sn")
        if name.encode() in said:
            return time.perf_counter() - start
        time.sleep(0.02)
    raise SystemExit(f"the change did not arrive: {(folder / 'worker.log').read_text()[-3000:]}")


def _search(slapd: PrivateSlapd, *words: str) -> bytes:
    command = ["ldapsearch", "-LLL", "-x", "-H", slapd.url, "-D", slapd.settings.provisioning_dn or ""]
    command += ["-y", str(slapd.password_file("provisioning")), "-b", slapd.settings.people_dn, *words]
    return subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 - our own words


def workers(folder: Path, people: int, report: Report) -> None:
    """Load people by one worker and by two."""
    far = f"{1000 * ROUND_TRIP_S:.0f} ms away, {IN_FLIGHT} writes in flight per portion"
    report.say(f"\nworkers on PostgreSQL, {people} people, a directory {far}")
    folder.chmod(0o755)  # PostgreSQL runs as somebody else
    folder.parent.chmod(0o755)
    two_workers(folder, Installation.make(folder / "records", people), report.say)


# --- running things -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Took:
    """What one step took, and what it said."""

    seconds: float
    cpu: float
    peak_mib: float
    said: dict[str, Any]

    def __str__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self.said.items() if name != "run")
        peak = f", peak {self.peak_mib:.0f} MiB" if self.peak_mib else ""
        return f"{self.seconds:.2f} s, cpu {self.cpu:.2f} s{peak}{'; ' if facts else ''}{facts}"


@dataclass(slots=True)
class Installation:
    """A store with people, in a folder, over whichever slapd it is told to use."""

    folder: Path
    environment: dict[str, str]
    ldapsearch_s: float = 0.0
    peaks: dict[str, float] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, people: int, report: Report | None = None) -> "Installation":
        folder.mkdir()
        made = cls(folder, _environment(folder))
        made.use(None)
        made.idp("registry", "sample", str(made.export), "--people", str(people), "--seed", "1")
        made.idp("setup")
        took = made.step("import", str(made.export))
        if report is not None:
            report.say(f"  import, first {took}")
        return made

    @property
    def export(self) -> Path:
        return self.folder / "export.csv"

    def copy(self, folder: Path) -> "Installation":
        """Return another one with the same people."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.csv"))
        return Installation(folder, _environment(folder))

    @classmethod
    def over_nobody(cls, folder: Path) -> "Installation":
        """Return one without settings, keys or people."""
        return cls(folder, _environment(folder))

    def over(self, folder: Path) -> "Installation":
        """Return another one, of nobody yet, with the same keys."""
        folder.mkdir()
        shutil.copytree(self.folder / "keys", folder / "keys")
        return Installation(folder, _environment(folder))

    def use(self, slapd: PrivateSlapd | None, more: str = "", *, url: str = "", store: str = "") -> None:
        """Write the settings; `url`: another way to the directory; `store`: a PostgreSQL."""
        lines = ["[store]", 'folder = "data"', *([f'postgresql_url = "{store}"'] if store else [])]
        lines += ["[keys]", 'folder = "keys"', "[letters]", 'folder = "letters"', more]
        if slapd is not None:
            directory = slapd.settings.model_dump(mode="json", exclude_none=True)
            directory["url"] = url or directory["url"]
            lines += ["[directory]", *(f"{name} = {json.dumps(value)}" for name, value in directory.items())]
        (self.folder / "idp.toml").write_text("\n".join(lines) + "\n")

    def idp(self, *words: str) -> Took:
        """Run a command, its start included."""
        return _run([sys.executable, "-m", "idp", *words], self.environment)

    def step(self, *words: str) -> Took:
        """Run one step in a process of its own; its start is not counted."""
        took = _run([sys.executable, "-m", "benchmarks.provisioning_steps", *words], self.environment)
        said = dict(took.said)
        self.peaks[words[0]] = max(self.peaks.get(words[0], 0), took.peak_mib)
        return Took(said.pop("seconds"), said.pop("cpu"), said.pop("peak_mib"), said)

    def say_peaks(self, report: Report) -> None:
        report.say("  peak memory   " + ", ".join(f"{name} {peak:.0f} MiB" for name, peak in self.peaks.items()))


def _environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return {**clean, "IDP_CONFIG": str(folder / "idp.toml")}


def _run(command: Sequence[str], environment: dict[str, str]) -> Took:
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=said)  # noqa: S603 - our own words
        _, status, usage = os.wait4(child.pid, 0)  # the only way to learn one child's own peak
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        said.seek(0)
        text = said.read().decode()
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{text[-2000:]}")
    facts = json.loads(text) if text.startswith("{") else {}
    return Took(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, facts)


def _tool(slapd: PrivateSlapd, name: str, *words: str) -> Took:
    """Run one of OpenLDAP's own tools as our provisioning account, its answers to a file."""
    login = ["-x", "-H", slapd.url, "-D", slapd.settings.provisioning_dn or "", "-y"]
    command = [name, *login, str(slapd.password_file("provisioning")), *words]
    before, served = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_of(slapd)
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        subprocess.run(command, stdout=out, check=True)  # noqa: S603 - our own words
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(seconds, cpu, 0, {"slapd cpu": f"{cpu_of(slapd) - served:.1f} s"})


def cpu_of(slapd: PrivateSlapd) -> float:
    """Return the processor seconds that a slapd has used."""
    words = Path(f"/proc/{slapd.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
