"""What people and servers wrote cannot steer the operator's terminal."""

import io
import json

import click
import pytest
from rich.console import Console
from rich.table import Table

from idp.cli.output import VisibleOutput
from idp.cli.support import add_row
from idp.text import visible

HOSTILE = "A\x1b[2J\x1b]0;owned\x07\x9b31m\r\u202eB\u2066C\u200bD\x00"
ESCAPED = r"A\u001b[2J\u001b]0;owned\u0007\u009b31m\u000d\u202eB\u2066C\u200bD\u0000"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_control_c1_and_direction_characters_are_written_as_escapes() -> None:
    assert visible(HOSTILE) == ESCAPED


@pytest.mark.parametrize("text", ["Źdźbło\tĆwik\n", "علی\u200cرضا", "नागार्जुन", "O’Connor", "𝒳 😀", "משה"])
def test_every_script_and_line_ends_stay(text: str) -> None:
    assert visible(text) == text


def test_half_a_letter_can_be_printed() -> None:
    assert visible("a\ud800") == r"a\ud800"


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_everything_printed_is_visible(kind: type[io.StringIO]) -> None:
    stream = kind()

    click.echo(f"name: {HOSTILE}", file=VisibleOutput(stream), color=True)  # type: ignore[arg-type] # as sys.stdout is
    print(HOSTILE, file=VisibleOutput(stream))

    assert stream.getvalue() == f"name: {ESCAPED}\n{ESCAPED}\n"


def test_styles_of_commands_reach_a_terminal_and_nothing_else() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        click.secho("no", fg="red", file=VisibleOutput(stream), color=True)  # type: ignore[arg-type]

    assert terminal.getvalue() == "\x1b[31mno\x1b[0m\n"
    assert "\x1b" not in file.getvalue()


def test_a_cell_of_a_table_brings_no_style_of_its_own() -> None:
    terminal = Terminal()
    table = Table("name")
    add_row(table, "A\x1b[31mB [red]C[/red]")

    Console(file=VisibleOutput(terminal), force_terminal=True, width=80).print(table)  # type: ignore[arg-type]

    assert r"A\u001b[31mB [red]C[/red]" in terminal.getvalue()


def test_json_stays_json() -> None:
    stream, name = io.StringIO(), f"{HOSTILE}\x7f\U000e0041\ud800"
    VisibleOutput(stream).write(json.dumps({"name": name}, ensure_ascii=False))

    assert json.loads(stream.getvalue()) == {"name": name}
    assert visible(stream.getvalue()) == stream.getvalue()
