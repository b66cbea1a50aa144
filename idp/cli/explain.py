"""`idp explain`: show why a person's entries are as they are."""

from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

import click
from rich.markup import escape
from rich.table import Table

from idp.app.installation import Idp
from idp.cli.people_named import PERSON, person_named
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json, when
from idp.provisioning.explain import Explanation, Source, Value, explain_person


@click.group(cls=Group)
def explain() -> None:
    """Explain where values come from."""


@explain.command()
@click.argument("who", metavar=PERSON)
@json_option
@pass_idp
def person(installation: Idp, who: str, as_json: bool) -> None:
    """Explain each attribute of PERSON: value, rule, source, the run that wrote it, and whether the target has it."""
    found = explain_person(installation.provisioner, person_named(installation, who, or_staff=True))
    if as_json:
        print_json(found)
        return
    zone = ZoneInfo(installation.settings.university.time_zone)
    _print_head(found)
    for target, values in groupby(found.values, key=lambda value: value.target):
        _print_target(target, list(values), found.errors.get(target, ""), zone)


def _print_head(found: Explanation) -> None:
    until = f", until {found.changes_on} at least" if found.changes_on else ""
    head = f"[bold]{escape(found.name)}[/]  uid {found.uid}  album {found.album or 'none yet'}"
    console().print(head)
    console().print(f"{found.access.value}: {found.reason.replace('_', ' ')}{until}")


def _print_target(target: str, values: list[Value], error: str, zone: ZoneInfo) -> None:
    console().print()
    if error:
        console().print(f"[red]{target} does not answer[/]: {escape(error)}")
    table = Table("attribute", "value", "there", "why", "from", "written", title=target, title_justify="left", box=None)
    table.header_style = "bold"
    for value in values:
        sources = "\n".join(_source(source, zone) for source in value.sources)
        why = f"{value.rule}: {value.sentence}" + (f" Kept by {_KEPT_BY[value.kept_by]}." if value.kept_by else "")
        add_row(table, value.attribute, "\n".join(value.effective), _there(value), why, sources, _written(value, zone))
    console().print(table)


_KEPT_BY = {"pin": "a pin", "override": "an override"}


def _there(value: Value) -> str:
    if value.is_there is None:
        return "?"
    if value.is_there:
        return "yes"
    return "no entry" if value.observed is None else "no: " + (", ".join(value.observed) or "nothing")


def _source(source: Source, zone: ZoneInfo) -> str:
    line = f", line {source.line}" if source.line else ""
    file = f" ({source.file}{line}{_when(source.at, zone, ', ')})" if source.file else _when(source.at, zone, " ")
    return f"{source.text}{file}"


def _written(value: Value, zone: ZoneInfo) -> str:
    if value.written_at is None:
        return ""
    how = f"run {value.run_id}" if value.run_id else "at once"
    return f"{_when(value.written_at, zone, '')} {how}, {value.written_by}"


def _when(at: datetime | None, zone: ZoneInfo, before: str) -> str:
    return f"{before}{when(at, zone)}" if at else ""
