"""What commands share: the opened installation, JSON beside human output, a progress bar."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import IO, Any, Concatenate, ParamSpec, TypeVar, cast
from zoneinfo import ZoneInfo

import click
import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from idp.app.installation import Idp, open_idp
from idp.app.settings import start_plain_lines
from idp.audit.events import new_id, shell_actor
from idp.cli.output import TrimmedOutput
from idp.cli.suggestions import no_such_command
from idp.db.databases import UNAVAILABLE
from idp.errors import StoreUnavailable
from idp.permissions import Actor, Role
from idp.text import visible

P = ParamSpec("P")
R = TypeVar("R")

WIDE = 10_000  # columns of a file or a pipe

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Group(click.Group):
    """A group whose help cuts no sentence, and that suggests a command for a misspelt one."""

    group_class = type  # groups in it, too

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(no_such_command(args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=1000)) for name, each in commands if each])


def pass_idp(command: Callable[Concatenate[Idp, P], R]) -> Callable[P, R]:
    """Give the command the opened installation as its first argument and close it at the end."""

    @wraps(command)
    def opened(*args: P.args, **kwargs: P.kwargs) -> R:
        structlog.contextvars.bind_contextvars(correlation_id=new_id())
        with open_idp() as installation:
            start_plain_lines()
            try:
                return command(installation, *args, **kwargs)
            except UNAVAILABLE as exc:
                raise StoreUnavailable(first_line(exc)) from exc

    return opened


def first_line(error: Exception) -> str:
    """Return what a database said, without the statement that it was asked."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0][:200]


def current_actor() -> Actor:
    """Return who runs this command on the machine."""
    return Actor(shell_actor(), Role.SHELL)


def print_json(value: Any) -> None:
    """Print `value` as one JSON document; dataclasses, dates, paths and enums are understood."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def json_line(value: Any) -> str:
    """Return `value` as one line of JSON, for files with a document in each line."""
    return json.dumps(value, default=_plain, ensure_ascii=False) + "\n"


def add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text: what people or servers wrote may hold colours of rich or of the terminal."""
    table.add_row(*(escape(visible(cell)) for cell in cells))


def console() -> Console:
    """Return the terminal for tables and colours.

    Output to a file or pipe has no colours and is neither wrapped, cut nor padded: the next program reads whole lines.
    """
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=WIDE, file=cast("IO[str]", TrimmedOutput(sys.stdout)))


def counted(count: int, one: str, many: str) -> str:
    """Return a count with its noun. Shape: (1, "person", "people") -> "1 person"; 2000 -> "2,000 people" """
    return f"{count:,} {one if count == 1 else many}"


def counted_people(count: int) -> str:
    """Return a count of people. Shape: 1 -> "1 person"; 2000 -> "2,000 people" """
    return counted(count, "person", "people")


def when(at: datetime | None, zone: ZoneInfo) -> str:
    """Return a moment as commands print it, with its zone; "" for none.

    Shape:   "2026-11-30 13:01:00+01:00"
    """
    return "" if at is None else at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar with rate and time left on standard error; yield a function that adds to it.

    Without a terminal nothing is drawn.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    # The terminal itself: a bar moves the cursor, which the output of commands may not.
    terminal = Console(file=sys.__stderr__)
    with Progress(*columns, console=terminal, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.advance(task, count)


class RateColumn(TextColumn):
    """Things per second so far."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Any) -> Any:
        self.text_format = f"{task.speed:,.0f}/s" if task.speed else ""
        return super().render(task)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
