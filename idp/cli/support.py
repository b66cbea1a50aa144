"""What commands share: the opened installation, JSON beside human output, a progress bar."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from idp.app.installation import Idp, open_idp
from idp.app.settings import start_logs
from idp.audit.events import new_id
from idp.text import visible

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Group(click.Group):
    """A group whose help says of each command its whole first sentence, in as many lines as it needs."""

    group_class = type  # groups in it, too

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
            start_logs(installation.settings, level="WARNING")
            return command(installation, *args, **kwargs)

    return opened


def print_json(value: Any) -> None:
    """Print `value` as one JSON document; dataclasses, dates, paths and enums are understood."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text: what people or servers wrote may hold colours of rich or of the terminal."""
    table.add_row(*(escape(visible(cell)) for cell in cells))


def console() -> Console:
    """Return the terminal for tables and colours; no colours when the output is no terminal."""
    return Console(highlight=False)


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
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
