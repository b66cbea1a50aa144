"""Processes that belong to another one: they end with it, whatever ends it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import ended_within

PROJECT = Path(__file__).parents[2]

# Each child says its number on its standard output, which is the parent's: number and line end in one write,
# as print() makes two where Python is unbuffered, and the lines of two children would mix.
SAY = "import os; os.write(1, b'%d\\n' % os.getpid());"
WAITING = f"{SAY} import signal; signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SAY} [signal.pause() for _ in iter(int, 1)]"
WITH_CHILD = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); import signal; signal.pause()"
)

PARENT = """
import os, sys
def say(text): os.write(1, f"{text}\\n".encode())
from idp.cli.children import ChildEnded, Children, Command, Stopped
with Children(say=lambda text: say(f"said: {text}"), stop_within_s=0.5) as children:
    try:
        for code in sys.argv[3:]:
            if sys.argv[2] == "fork":
                command = Command("child", call=lambda: exec(code, {}), restart=sys.argv[1] == "restart")
            else:
                command = Command("child", [sys.executable, "-c", code], restart=sys.argv[1] == "restart")
            children.start(command)
        children.watch()
    except Stopped as stopped:
        say(f"stopped by {stopped}")
    except ChildEnded as ended:
        say(f"ended: {ended}")
"""


@contextmanager
def parent(
    *children: str, restart: bool = False, before: str = "", how: str = "program"
) -> Iterator[subprocess.Popen[str]]:
    """Start a process with these children, programs or forks of it; `before` is Python run by it before exec."""
    words = [sys.executable, "-c", PARENT, "restart" if restart else "once", how, *children]
    process = subprocess.Popen(
        words
        if not before
        else [sys.executable, "-c", f"import os, signal; {before}; os.execv({words[0]!r}, {words!r})"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("how", ["program", "fork"])
@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_children_and_then_the_parent(word: signal.Signals, how: str) -> None:
    with parent(WAITING, WAITING, how=how) as process:
        pids = [int(line(process)), int(line(process))]
        process.send_signal(word)

        assert line(process) == f"stopped by {word.name}"
        assert process.wait(10) == 0
        assert all(ended_within(pid, 0) for pid in pids)


def test_sigint_counts_also_where_it_was_inherited_as_ignored() -> None:
    with parent(WAITING, before="signal.signal(signal.SIGINT, signal.SIG_IGN)") as process:
        pid = int(line(process))
        process.send_signal(signal.SIGINT)

        assert line(process) == "stopped by SIGINT"
        assert ended_within(pid, 5)


@pytest.mark.parametrize("how", ["program", "fork"])
def test_children_die_with_a_parent_that_is_killed(how: str) -> None:
    with parent(WAITING, WAITING, how=how) as process:
        pids = [int(line(process)), int(line(process))]
        process.kill()

        assert all(ended_within(pid, 5) for pid in pids)


@pytest.mark.parametrize("how", ["program", "fork"])
def test_a_child_that_does_not_listen_is_killed_in_time(how: str) -> None:
    with parent(STUBBORN, how=how) as process:
        pid = int(line(process))
        process.send_signal(signal.SIGTERM)

        assert line(process) == "stopped by SIGTERM"
        assert line(process) == "said: child did not stop in time and is killed"
        assert process.wait(5) == 0
        assert ended_within(pid, 0)


@pytest.mark.parametrize("how", ["program", "fork"])
def test_a_grandchild_that_stays_behind_is_ended_too(how: str) -> None:
    with parent(WITH_CHILD, how=how) as process:
        grandchild = int(line(process))
        process.send_signal(signal.SIGTERM)

        assert process.wait(5) == 0
        assert ended_within(grandchild, 1)


@pytest.mark.parametrize("how", ["program", "fork"])
def test_a_child_that_ends_starts_again_later_and_later(how: str) -> None:
    with parent(f"{SAY} raise SystemExit(3)", restart=True, how=how) as process:
        heard = [line(process) for _ in range(4)]

        assert heard[1] == "said: child ended (exit code 3); it starts again in 0.5 s"
        assert heard[3] == "said: child ended (exit code 3); it starts again in 1 s"
        assert heard[0] != heard[2]


@pytest.mark.parametrize("how", ["program", "fork"])
def test_a_child_that_must_not_end_is_the_end_of_all(how: str) -> None:
    with parent(WAITING, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", how=how) as process:
        heard = {line(process), line(process)}

        assert "ended: child ended by itself (killed by SIGKILL)" in heard
        assert process.wait(5) == 0
        (pid,) = (int(text) for text in heard if text.isdigit())
        assert ended_within(pid, 0)
        assert os.getpid() != pid


def test_what_a_fork_raises_is_shown_and_is_its_exit_code() -> None:
    with parent("raise SystemExit(7)", how="fork") as process:
        assert line(process) == "ended: child ended by itself (exit code 7)"


def test_a_fork_shares_what_its_parent_has_imported() -> None:
    with parent(f"import sys; assert 'idp.cli.children' in sys.modules; {WAITING}", how="fork") as process:
        assert line(process).isdigit()
