"""What holds for any file at all."""

import io
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.errors import RefusedSource
from idp.keys.key_files import Keys
from idp.registry.results import ImportResult
from idp.registry.rows import COLUMNS
from idp.registry.sample.export import Order, write_sample
from idp.registry.settings import RegistrySettings
from tests.support.clock import ManualClock
from tests.support.counts import Counts
from tests.support.databases import SqliteTemplate
from tests.support.exports import FOREIGNER, export_row, export_text, write_export
from tests.support.imports import Registry

LENIENT = RegistrySettings(bad_rows_floor=1000, identity_changes_floor=1000, fewer_people_floor=1000)
SAMPLE = export_text([export_row(), export_row(os_id="102", nr_albumu="102", **FOREIGNER)]).encode()


def outcome(registry: Registry, file: Path, *, delta: bool = False) -> ImportResult | str:
    try:
        return registry.take(file, delta=delta)
    except RefusedSource as refusal:
        return refusal.reason


CELLS = {
    "os_id": ["101", "101", "102", "0101", "103", "x"],
    "nr_albumu": ["12345", "12345", "012345", "777", ""],
    "imie": ["Anna", "ANNA", "Zoe\u0308", ""],
    "nazwisko": ["Nowak", "Nowak", "=1", "Кowalska"],
    "pesel": ["02022700003", "", "02022700004"],
    "obywatelstwo": ["PL", "UA"],
    "dok_numer": ["", "AB123456"],
    "dok_kraj": ["UA"],
    "prog_kod": ["INF-S1", "EKO-N1"],
    "prog_nazwa": ["Informatyka", "a;b", 'a\n"b"'],
    "status": ["active", "cancelled", "suspended", "admitted", "?"],
    "status_od": ["2025-10-01", "2026-06-01", "2026-12-01"],
    "zmieniono": ["2026-09-01T10:00:00+02:00", "2026-09-20T10:00:00Z", "2027-01-01T00:00:00Z"],
}
ROW = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CELLS.items()})
FILES = st.lists(ROW.map(lambda cells: export_row(**cells)), min_size=1, max_size=8)


@dataclass(frozen=True)
class Bench:
    """Makes fresh installations, as many as a property asks for."""

    template: SqliteTemplate
    folder: Path
    keys: Keys
    counts: Counts

    @contextmanager
    def fresh(self) -> Iterator[Registry]:
        with self.template.databases(self.folder / os.urandom(8).hex()) as databases:
            yield Registry(databases, self.keys, ManualClock(), LENIENT)

    @property
    def file(self) -> Path:
        return self.folder / "export.csv"

    @property
    def often(self) -> settings:
        return settings(max_examples=self.counts.store_examples)


@pytest.fixture
def bench(sqlite_template: SqliteTemplate, tmp_path: Path, keys: Keys, counts: Counts) -> Bench:
    return Bench(sqlite_template, tmp_path, keys, counts)


def test_any_bytes_are_refused_or_taken_and_never_crash(bench: Bench) -> None:
    @bench.often
    @given(content=st.binary(max_size=300), cut=st.integers(0, len(SAMPLE)), with_header=st.booleans())
    def holds(content: bytes, cut: int, with_header: bool) -> None:
        head = (";".join(COLUMNS) + "\n").encode() if with_header else b""
        with bench.fresh() as registry:
            for each in (head + content, SAMPLE[:cut] + content + SAMPLE[cut:], SAMPLE[:cut]):
                bench.file.write_bytes(each)
                assert outcome(registry, bench.file)

    holds()


def test_importing_twice_changes_nothing(bench: Bench) -> None:
    @bench.often
    @given(files=st.lists(FILES, min_size=1, max_size=3), deltas=st.lists(st.booleans(), min_size=3, max_size=3))
    def holds(files: list[list[list[str]]], deltas: list[bool]) -> None:
        with bench.fresh() as registry:
            for rows, delta in zip(files, deltas, strict=False):
                write_export(bench.file, rows)
                outcome(registry, bench.file, delta=delta)
                before = registry.content()

                again = outcome(registry, bench.file, delta=delta)

                assert isinstance(again, ImportResult)
                assert (again.added, again.changed) == (0, 0)
                assert registry.content() == before

    holds()


def test_importing_twice_changes_nothing_where_a_bad_row_carries_the_album_of_another_person(bench: Bench) -> None:
    """A campaign found this file: the second import quarantined a valid row because of the bad row beside it."""
    in_future, unknown = {"zmieniono": "2027-01-01T00:00:00Z"}, {"status": "?"}
    rows = [
        *[export_row(obywatelstwo="PL", **in_future)] * 3,
        *[export_row(obywatelstwo="PL", **unknown)] * 2,
        export_row(nr_albumu="777"),
        export_row(os_id="102"),
    ]
    with bench.fresh() as registry:
        first = registry.take(write_export(bench.file, rows))
        before = registry.content()

        again = registry.take(bench.file)

        assert (first.added, again.added, again.changed) == (2, 0, 0)
        assert registry.content() == before


def test_the_order_of_rows_means_nothing(bench: Bench) -> None:
    @bench.often
    @given(files=st.lists(FILES, min_size=1, max_size=3), source=st.randoms())
    def holds(files: list[list[list[str]]], source: random.Random) -> None:
        with bench.fresh() as one, bench.fresh() as other:
            for rows in files:
                outcome(one, write_export(bench.file, rows))
                shuffled = list(rows)
                source.shuffle(shuffled)
                outcome(other, write_export(bench.file, shuffled))

                assert one.content() == other.content()

    holds()


def test_every_row_is_taken_skipped_or_quarantined(bench: Bench) -> None:
    @bench.often
    @given(rows=FILES)
    def holds(rows: list[list[str]]) -> None:
        with bench.fresh() as registry:
            result = outcome(registry, write_export(bench.file, rows))

            assert isinstance(result, ImportResult)
            assert result.rows == len(rows)
            stored = registry.content()["enrolment"]
            repeats = len(rows) - len({(row[0].lstrip("0"), row[COLUMNS.index("prog_kod")]) for row in rows})
            assert len(stored) + result.quarantined_rows + result.stale_rows + repeats >= len(rows)

    holds()


KILLED = """
import sys
from pathlib import Path
from idp.db.databases import open_databases
from idp.db.settings import StoreSettings
from tests.support.keys import shared_keys
from tests.support.clock import ManualClock
from tests.support.imports import Registry
from idp.registry.settings import RegistrySettings
folder, file = Path(sys.argv[1]), Path(sys.argv[2])
databases = open_databases(StoreSettings(folder=folder))
print("ready", flush=True)
Registry(databases, shared_keys(), ManualClock(), RegistrySettings(chunk_people=20)).take(file)
"""


def test_a_killed_import_is_finished_by_the_next_one(bench: Bench) -> None:
    counts = bench.counts
    with bench.file.open("w", encoding="utf-8", newline="") as out:
        write_sample(Order(people=counts.people, seed=counts.seed), out)
    with bench.fresh() as undisturbed:
        undisturbed.take(bench.file)
        expected = undisturbed.content()
    source = random.Random(counts.seed)  # noqa: S311 - repeatable moments of death
    for _ in range(counts.kills):
        with bench.fresh() as registry:
            folder = registry.databases.settings.folder
            command = [sys.executable, "-c", KILLED, str(folder), str(bench.file)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=source.random() * 0.4)
                process.kill()

            registry.take(bench.file)

            assert registry.content() == expected


SECOND_DAY = Order(people=120, seed=5, day=2)


@pytest.mark.parametrize(
    "order",
    [Order(120, 5), Order(120, 5, dirty=False), SECOND_DAY, replace(SECOND_DAY, only_changes=True)],
    ids=["first day", "clean", "second day", "changes"],
)
def test_the_same_order_gives_the_same_sample(order: Order) -> None:
    one, other = io.StringIO(newline=""), io.StringIO(newline="")

    assert write_sample(order, one) == write_sample(order, other)
    assert one.getvalue() == other.getvalue()
    assert one.getvalue().startswith(";".join(COLUMNS) + "\n")
