"""What people and servers wrote cannot steer the operator's terminal."""

import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
import pytest
from rich.console import Console
from rich.table import Table

from idp.cli.output import TrimmedOutput, VisibleOutput
from idp.cli.support import add_row, console, counted, print_json, when
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


def test_a_file_gets_no_padding_at_the_ends_of_lines() -> None:
    file = io.StringIO()
    table = Table("name", "album", box=None)
    table.add_row("Anna Maria Nowak", "1")

    Console(file=TrimmedOutput(file), width=200).print(table)  # type: ignore[arg-type] # as sys.stdout is

    assert file.getvalue() == " name              album\n Anna Maria Nowak  1\n"


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


def test_what_is_piped_is_neither_wrapped_nor_cut(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("run", "why", box=None)
    add_row(table, "a" * 32, "word " * 100)

    console().print(table)

    (line,) = [line for line in capsys.readouterr().out.splitlines() if "aaaa" in line]
    assert line.count("word") == 100


def test_moments_carry_their_zone_and_json_is_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 11, 30, 12, 1, 2, tzinfo=UTC)

    print_json({"at": at.astimezone(ZoneInfo("Europe/Warsaw"))})

    assert when(at, ZoneInfo("Europe/Warsaw")) == "2026-11-30 13:01:02+01:00"
    assert when(None, ZoneInfo("Europe/Warsaw")) == ""
    assert json.loads(capsys.readouterr().out) == {"at": "2026-11-30T12:01:02+00:00"}


def test_one_is_counted_in_the_singular() -> None:
    assert [counted(count, "person", "people") for count in (0, 1, 2000)] == ["0 people", "1 person", "2,000 people"]


def test_a_reader_that_went_away_is_told_apart_from_a_no() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "idp", "--help"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)

    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")
