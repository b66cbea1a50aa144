"""`idp registry`: import an export, list the quarantine, write a sample export."""

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.table import Table
from rich.text import Text

from idp.app.installation import Idp
from idp.cli.files import refuse_existing, writable
from idp.cli.support import (
    Group,
    console,
    counted_people,
    current_actor,
    json_option,
    pass_idp,
    print_json,
    progress,
    when,
)
from idp.clock import Clock
from idp.errors import RefusedSource
from idp.people.queries import review_everybody
from idp.people.status import local_date
from idp.registry.imports import import_file
from idp.registry.queries import QuarantineEntry, quarantine_entries
from idp.registry.reasons import ACCEPTABLE, SENTENCES, Reason, Refusal
from idp.registry.results import ImportResult
from idp.registry.reviews import review_statuses
from idp.registry.sample.export import Label, Order, write_sample


@click.group(cls=Group)
def registry() -> None:
    """Import student records, and list bad rows."""


@registry.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--delta", is_flag=True, help="The file holds only changes. Without this option it is a full export.")
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(sorted(refusal.value for refusal in ACCEPTABLE)),
    help="A limit that this import may exceed. Check the file first.",
)
@json_option
@pass_idp
def take(installation: Idp, file: Path, delta: bool, accept: tuple[str, ...], as_json: bool) -> None:
    """Import a registry export (CSV of docs/domain.md).

    A refused file changes nothing. Bad rows are quarantined: see `idp registry quarantine`. Importing the same file
    twice changes nothing. The import writes nothing to the targets: see what would change there with `idp plan`.
    """
    settings = installation.settings
    try:
        with stages() as stage:
            result = import_file(
                installation.databases,
                installation.keys,
                settings.registry,
                settings.people.access_policy,
                installation.clock,
                ZoneInfo(settings.university.time_zone),
                file,
                delta=delta,
                actor=current_actor(),
                accept={Refusal(word) for word in accept},
                progress=stage,
            )
    except RefusedSource as refusal:
        _refused(refusal, as_json)
    if as_json:
        print_json(asdict(result))
    else:
        _show(result)


@registry.command()
@json_option
@pass_idp
def quarantine(installation: Idp, as_json: bool) -> None:
    """List quarantined rows with their reasons. Their content stays encrypted: it holds national ids."""
    with installation.databases.identity.read() as connection:
        rows = quarantine_entries(connection)
    if as_json:
        print_json([msgspec.structs.asdict(row) | {"sentence": SENTENCES[Reason(row.reason)]} for row in rows])
        return
    if not rows:
        click.echo("The quarantine is empty.")
        return
    zone = ZoneInfo(installation.settings.university.time_zone)
    _print_quarantine(rows, zone)
    click.echo("Correct them in the registry. A good row of the same person ends the quarantine at the next import.")


@registry.command()
@click.option("--all", "everybody", is_flag=True, help="Review everybody, after a change of the settings in [people].")
@pass_idp
def review(installation: Idp, everybody: bool) -> None:
    """Apply what is due by date: grace periods that ended, statuses that began. The worker does so by itself."""
    settings, databases, clock = installation.settings, installation.databases, installation.clock
    zone = ZoneInfo(settings.university.time_zone)
    if everybody:
        with databases.identity.write() as connection:
            review_everybody(connection, local_date(clock.now(), zone))
    done = 0
    with progress("Reviewing", total=None) as advance:
        while count := review_statuses(databases, settings.people.access_policy, clock, zone, current_actor()):
            done += count
            advance(count)
    click.echo(f"{counted_people(done)} reviewed.")


@registry.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--people", default=300, show_default=True, type=click.IntRange(min=0), help="People in good rows.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Another seed gives other people."
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The date of the first day's export [default: two days ago].",
)
@click.option("--day", type=click.IntRange(1, 2), default=1, show_default=True, help="2 is the next day's export.")
@click.option("--changes", is_flag=True, help="With --day 2: only changed people. Import it with --delta.")
@click.option("--dirty/--clean", default=True, show_default=True, help="With or without the bad rows of real exports.")
@click.option("--cases", type=click.Path(path_type=Path), help="File for the labels [default: FILE.cases.csv].")
def sample(
    file: Path, people: int, seed: int, as_of: datetime | None, day: int, changes: bool, dirty: bool, cases: Path | None
) -> None:
    """Write a sample export of invented people to FILE (- for the terminal). The same options give the same bytes.

    Everybody was born in 1900-1907, so no living person owns one of the PESEL numbers. FILE.cases.csv labels the bad
    rows, with the expected outcome of each.
    """
    if changes and day == 1:
        raise click.UsageError("--changes needs --day 2.")
    # Two days ago: the second day's changes, too, lie in the past, and no file is too old to be imported.
    as_of = as_of or Clock().now() - timedelta(days=2)
    order = Order(people, seed, as_of.date(), dirty, day, changes)
    if str(file) == "-":
        with click.open_file("-", "w", encoding="utf-8") as terminal:
            labels = write_sample(order, terminal)
    else:
        cases = cases or file.with_name(file.name + ".cases.csv")
        for each in (file, cases):
            _refuse_to_overwrite(each)
        with writable(file), file.open("w", encoding="utf-8", newline="") as out:
            labels = write_sample(order, out)
    if cases is not None and labels:
        _refuse_to_overwrite(cases)
        with writable(cases), cases.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, delimiter=";", lineterminator="\n")
            writer.writerow(Label._fields)
            writer.writerows(labels)


_STAGES = {"reading": "Reading (KiB)", "checking": "Checking people", "writing": "Writing people"}


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function for the progress of an import. Each stage has a bar of its own."""
    current, shown = "", 0
    advance: Callable[[int], None]
    with ExitStack() as bar:

        def stage(name: str, done: int, total: int) -> None:
            nonlocal current, shown, advance
            if name == "reading":
                done, total = done // 1024, total // 1024
            if name != current:
                bar.close()
                advance = bar.enter_context(progress(_STAGES[name], total))
                current, shown = name, 0
            advance(done - shown)
            shown = done

        yield stage


def _refused(refusal: RefusedSource, as_json: bool) -> None:
    if as_json:
        print_json({"refused": refusal.reason, "sentence": str(refusal)})
    else:
        click.secho(f"{refusal.code}: {refusal.reason}: {refusal}", fg="red", err=True)
    sys.exit(1)


def _show(result: ImportResult) -> None:
    kind = "changes" if result.is_delta else "full export"
    click.echo(
        f"{result.file}: {kind}, {result.rows:,} rows of {counted_people(result.people)}, {result.duration_s:.1f} s"
    )
    if result.same_file_as:
        click.echo(f"The same file was imported before, by import {result.same_file_as}.")
    table = Table(box=None, show_header=False)
    table.add_column(justify="right", style="bold")
    table.add_column()
    lines = [
        (result.added, "person", "people", "added"),
        (result.changed, "person", "people", "changed" + _details(result.changed_fields)),
        (result.unchanged, "person", "people", "unchanged"),
        (result.absent, "person", "people", "not in this file. Absence is not deletion, so nothing changes for them"),
        (result.stale_rows, "row", "rows", "older than the stored record, skipped"),
        (result.quarantined_rows, "row", "rows", "quarantined" + _details(result.quarantined)),
        (result.resolved_rows, "row", "rows", "quarantined earlier, now resolved"),
        (result.same_pesel, "PESEL number", "PESEL numbers", "of two people. Both stay: idp people duplicates list"),
        (sum(result.remarks.values()), "cell", "cells", "corrected or left empty" + _details(result.remarks)),
    ]
    for number, noun, nouns, what in lines:
        if number or what in ("added", "unchanged"):
            table.add_row(f"{number:,}", f"{noun if number == 1 else nouns} {what}")
    console().print(table)
    if result.quarantined_rows:
        click.echo("List the quarantined rows with: idp registry quarantine")


def _details(counts: dict[str, int], most: int = 6) -> str:
    if not counts:
        return ""
    shown = [f"{count:,} {word}" for word, count in list(counts.items())[:most]]
    rest = sum(list(counts.values())[most:])
    return " (" + ", ".join([*shown, f"{rest:,} others"] if rest else shown) + ")"


def _print_quarantine(rows: list[QuarantineEntry], zone: ZoneInfo) -> None:
    """Print a block for each file, then a sentence for each reason."""
    for file, group in groupby(rows, key=lambda row: row.file_name):
        # Text, so that brackets in a file's values are no markup. No title: it would be wrapped to the table's width.
        console().print(Text(file))
        table = Table("line", "os_id", "programme", "reason", "first seen")
        table.box = None
        table.header_style = "bold"
        for row in group:
            seen = when(row.first_seen_at, zone)
            table.add_row(str(row.line), Text(row.os_id), Text(row.programme), row.reason, seen)
        console().print(table)
    meanings = Table(box=None, show_header=False)
    for word in sorted({row.reason for row in rows}):
        meanings.add_row(Text(word, style="bold"), SENTENCES[Reason(word)])
    console().print("\nReasons:", meanings)


def _refuse_to_overwrite(file: Path) -> None:
    if file.is_file():  # devices and pipes may be written
        refuse_existing(file)
