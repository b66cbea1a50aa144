"""`idp people`: find people by name, and judge records that may be one person."""

import sys
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.cli.people_named import person_named
from idp.cli.plans import change_facts, print_changes, print_findings, print_needs_approval, print_totals, run_facts
from idp.cli.support import Group, add_row, console, current_actor, json_option, pass_idp, print_json, when
from idp.errors import NotFound
from idp.people.merge_queries import Pair, PairRecord, pair_of, pair_records, pairs_in
from idp.people.queries import load_people
from idp.people.search_queries import find_by_name
from idp.people.values import PairState
from idp.provisioning import run_queries
from idp.provisioning.approval import refusal
from idp.provisioning.merging import make_merge, make_unmerge
from idp.provisioning.run import Run
from idp.registry.duplicates import dismiss_duplicate, find_duplicates


@click.group(cls=Group)
def people() -> None:
    """Find people, and judge records that may be one person."""


@people.command()
@click.argument("name", nargs=-1, required=True)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
@pass_idp
def find(installation: Idp, name: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find people by name. Case, diacritics and the order of words do not matter. Exit code 1: nobody was found.

    The beginning of a word is enough: idp people find now anna
    """
    with installation.databases.identity.read() as connection:
        found = find_by_name(connection, " ".join(name)[:200], limit)
    if as_json:
        print_json(found)
    elif found:
        table = Table("name", "album", "uid", "born", "access", box=None, header_style="bold")
        for person in found:
            born = person.born_on.isoformat() if person.born_on else ""
            add_row(table, person.name, person.album or "", person.uid, born, person.access)
        console().print(table)
        click.echo("See one of them with: idp explain person UID")
    else:
        click.echo(f"Nobody found: {' '.join(name)}", err=True)
    sys.exit(0 if found else 1)


@people.group()
def duplicates() -> None:
    """Judge pairs of records that may be one person."""


@duplicates.command(name="list")
@click.option("--settled", is_flag=True, help="Also those dismissed or merged.")
@click.option("--find", is_flag=True, help="Search for new pairs first. The worker does so after each import.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="How many of the newest.")
@json_option
@pass_idp
def list_all(installation: Idp, settled: bool, find: bool, limit: int, as_json: bool) -> None:
    """List pairs that a human must judge, with the evidence."""
    if find:
        find_duplicates(installation.databases, installation.clock, current_actor())
    with installation.databases.identity.read() as connection:
        pairs = pairs_in(
            connection, (PairState.OPEN, PairState.DISMISSED, PairState.MERGED) if settled else (PairState.OPEN,), limit
        )
        ids = sorted({person_id for pair in pairs for person_id in (pair.person_a, pair.person_b)})
        records = {record.person_id: record for record in pair_records(connection, ids)}
    if as_json:
        print_json([_pair_json(pair, records) for pair in pairs])
        return
    if not pairs:
        click.echo("No pairs to judge.")
        return
    table = Table("first", "album", "second", "album", "evidence", "state", box=None, header_style="bold")
    for pair in pairs:
        first, second = records[pair.person_a], records[pair.person_b]
        sides = (_name(first), first.album or first.os_id, _name(second), second.album or second.os_id)
        add_row(table, *sides, ", ".join(pair.evidence), pair.state)
    console().print(table)
    click.echo("Compare a pair with: idp people duplicates show FIRST SECOND")


@duplicates.command()
@click.argument("first")
@click.argument("second")
@json_option
@pass_idp
def show(installation: Idp, first: str, second: str, as_json: bool) -> None:
    """Show a pair side by side. FIRST and SECOND are uids, album numbers or mail addresses."""
    pair, records = _pair(installation, first, second)
    if as_json:
        print_json(_pair_json(pair, records))
        return
    zone = ZoneInfo(installation.settings.university.time_zone)
    table = Table("", "first", "second", box=None, header_style="bold")
    sides = [_side(records[person_id], zone) for person_id in (pair.person_a, pair.person_b)]
    for name in sides[0]:
        add_row(table, name, sides[0][name], sides[1][name])
    console().print(table)
    for word, text in pair.evidence.items():
        click.echo(f"{word.replace('_', ' ')}{': ' + text if text else ''}")
    click.echo(f"State: {pair.state}.")
    if pair.state == PairState.MERGED:
        click.echo("If they are two people, separate them with: idp people unmerge KEPT GONE")
        return
    click.echo("If they are one person, merge them with: idp people merge KEPT GONE")
    if pair.state == PairState.OPEN:
        click.echo(f"If they are two people, dismiss the pair with: idp people duplicates dismiss {first} {second}")


@duplicates.command()
@click.argument("first")
@click.argument("second")
@pass_idp
def dismiss(installation: Idp, first: str, second: str) -> None:
    """Decide that two records are two people. The pair is not listed again."""
    pair, _ = _pair(installation, first, second)
    dismiss_duplicate(installation.databases, installation.clock, pair, current_actor())
    click.echo("Decided: two people. The pair is not listed again.")


@people.command()
@click.argument("kept")
@click.argument("gone")
@json_option
@pass_idp
def merge(installation: Idp, kept: str, gone: str, as_json: bool) -> None:
    """Make a plan that merges two records: KEPT stays, GONE is closed. `idp apply` applies it.

    Programmes and addresses of GONE then belong to KEPT. Nothing is destroyed: `idp people unmerge` separates them.
    """
    ids = person_named(installation, kept), person_named(installation, gone)
    _print_plan(installation, make_merge(installation.provisioner, *ids, current_actor()), as_json)


@people.command()
@click.argument("kept")
@click.argument("gone")
@json_option
@pass_idp
def unmerge(installation: Idp, kept: str, gone: str, as_json: bool) -> None:
    """Make a plan that separates merged records: each person is again as their records say. `idp apply` applies it."""
    ids = person_named(installation, kept), person_named(installation, gone)
    _print_plan(installation, make_unmerge(installation.provisioner, *ids, current_actor()), as_json)


def _print_plan(installation: Idp, run: Run, as_json: bool) -> None:
    with installation.databases.identity.read() as connection:
        changes = run_queries.changes_of(connection, run.run_id)
        findings = run_queries.findings_of(connection, run.run_id)
        found = load_people(connection, [change.person_id for change in changes])
        needs_approval = refusal(connection, run, installation.settings.provisioning)
    if as_json:
        print_json(
            {**run_facts(run), "approval_needed_because": needs_approval, "changes": change_facts(changes, found)}
        )
        return
    print_changes(changes, {person.person_id: person.display_name for person in found})
    print_findings(findings)
    print_totals(run, shown=len(changes))
    if needs_approval:
        print_needs_approval(needs_approval)
    else:
        click.echo(f"Apply exactly this plan with: idp apply {run.run_id}")


def _pair(installation: Idp, first: str, second: str) -> tuple[Pair, dict[str, PairRecord]]:
    ids = [person_named(installation, text) for text in (first, second)]
    with installation.databases.identity.read() as connection:
        pair = pair_of(connection, *ids)
        records = {record.person_id: record for record in pair_records(connection, ids)}
    if pair is None:
        raise NotFound("these two are not a listed pair. List pairs with: idp people duplicates list")
    return pair, records


def _pair_json(pair: Pair, records: dict[str, PairRecord]) -> dict[str, Any]:
    sides = [records[person_id] for person_id in (pair.person_a, pair.person_b)]
    return {
        "state": pair.state,
        "evidence": pair.evidence,
        "found_at": pair.found_at,
        "settled_at": pair.settled_at,
        "settled_by": pair.settled_by,
        "people": [
            {"person_id": side.person_id, "os_id": side.os_id, "album": side.album, "name": _name(side)}
            for side in sides
        ],
    }


def _side(record: PairRecord, zone: ZoneInfo) -> dict[str, str]:
    return {
        "name": _name(record),
        "album": record.album or "none",
        "os_id": record.os_id,
        "born": record.born_on.isoformat() if record.born_on else "not known",
        "access": record.access,
        "first seen": when(record.first_seen_at, zone),
        "person id": record.person_id,
    }


def _name(record: PairRecord) -> str:
    return " ".join(part for part in (record.given_name, record.surname_prefix, record.surname) if part)
