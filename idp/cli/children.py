"""Start child processes, watch them, and end them with this process, whatever ends it.

A signal to stop is stored and handled at the next `wait`, never in the middle of other work. A child has its own
process group: Ctrl-C at the terminal reaches only this process, which then ends the children in order. The kernel sends
a child SIGTERM when this process dies, even by kill -9.
"""

import ctypes
import gc
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from idp.db.backoff import Backoff

FIRST_PAUSE_S = 0.5  # before an ended child is started again
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Stopped(BaseException):
    """A signal asked us to stop. Like KeyboardInterrupt, `except Exception` does not catch it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and what to do when it ends by itself.

    Shape:   Command("worker", [python, "-m", "idp", "worker"], restart=True)
             Command("web server", call=serve): in a fork of this process, with its imports
    """

    name: str
    words: Sequence[str] = ()
    call: Callable[[], object] | None = None
    environment: Mapping[str, str] | None = None  # None: the same as ours
    log: Path | None = None  # None: our output
    restart: bool = False  # False: if it ends, everything ends


@dataclass(slots=True)
class Child:
    """A started command."""

    command: Command
    process: "subprocess.Popen[bytes] | Fork"
    started_at: float
    failures: int = 0


@dataclass(slots=True)
class Children:
    """The running children of this process, in the order of their start.

    Shape:   with Children(say=print) as children: children.start(command); children.watch()
    Effect:  inside the block, SIGTERM and SIGINT are handled here, even if they were inherited as ignored (by a
             script's background job). At the end all children are stopped. Only in the main thread
    """

    say: Callable[[str], None]
    longest_pause_s: float = 30.0
    stop_within_s: float = 8.0
    _running: list[Child] = field(default_factory=list)
    _waiting: dict[float, Child] = field(default_factory=dict)  # by time of restart
    _stop_asked: str = ""
    _bell: tuple[int, int] = (-1, -1)  # Python writes a byte into it at each signal, so that `wait` returns
    _before: dict[signal.Signals, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._bell = os.pipe()
        for end in self._bell:
            os.set_blocking(end, False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._note)
        signal.set_wakeup_fd(self._bell[1], warn_on_full_buffer=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.stop()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            for end in self._bell:
                os.close(end)

    def start(self, command: Command) -> Child:
        """Start a command. It ends when this process ends."""
        child = Child(command, _spawn(command), time.monotonic())
        self._running.append(child)
        return child

    def run(self, command: Command) -> int:
        """Run a command to its end and return its exit code.

        Raises:  Stopped when a signal asks us to stop; ChildEnded when another child ends meanwhile
        """
        child = self.start(command)
        while child.process.poll() is None:
            self.wait(timeout_s=60.0, apart_from=child)
        self._running.remove(child)
        return child.process.returncode

    def wait(self, timeout_s: float, apart_from: Child | None = None) -> None:
        """Return after `timeout_s`, or earlier if a child ended. Restart the children that are due.

        Raises:  Stopped when a signal asks us to stop; ChildEnded when a child without restart ended
        """
        due_in = min((at - time.monotonic() for at in self._waiting), default=timeout_s)
        if not self._stop_asked and select.select([self._bell[0]], [], [], max(0.0, min(timeout_s, due_in)))[0]:
            os.read(self._bell[0], 4096)
        if self._stop_asked:
            raise Stopped(self._stop_asked)
        for child in [one for one in self._running if one is not apart_from and one.process.poll() is not None]:
            self._ended(child)
        for at in [at for at in self._waiting if at <= time.monotonic()]:
            self._start_again(self._waiting.pop(at))

    def watch(self) -> NoReturn:
        """Watch the children until a signal or the end of a child.

        Raises:  as `wait`
        """
        while True:
            self.wait(timeout_s=3600.0)

    def stop(self) -> None:
        """End all children, the last started first. Kill those that remain after `stop_within_s`."""
        self._waiting.clear()
        for child in reversed(self._running):
            _signal_group(child, signal.SIGTERM, leader_only=True)
        end = time.monotonic() + self.stop_within_s
        for child in self._running:
            try:
                child.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.say(f"{child.command.name} did not stop in time and is killed")
        for child in self._running:
            # A group outlives its leader if a grandchild hangs.
            _signal_group(child, signal.SIGKILL)
            child.process.wait()
        self._running.clear()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number in STOP_SIGNALS:
            self._stop_asked = signal.Signals(number).name

    def _ended(self, child: Child) -> None:
        self._running.remove(child)
        _signal_group(child, signal.SIGKILL)
        if not child.command.restart:
            raise ChildEnded(child.command, child.process.returncode)
        lived_s = time.monotonic() - child.started_at
        failures = 1 if lived_s > 2 * self.longest_pause_s else child.failures + 1
        pause_s = Backoff(FIRST_PAUSE_S, self.longest_pause_s).wait_s(failures)
        child.failures = failures
        self._waiting[time.monotonic() + pause_s] = child
        self.say(f"{child.command.name} ended ({_how(child.process.returncode)}); it starts again in {pause_s:g} s")

    def _start_again(self, dead: Child) -> None:
        child = self.start(dead.command)
        child.failures = dead.failures


class Fork:
    """A child that runs a function of ours. It has the methods of `subprocess.Popen` that `Children` uses."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.returncode: int = 0
        self._ended = False
        # Flush first: otherwise both processes would write the unwritten part of a buffer.
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        gc.freeze()  # a collection in the child would copy each memory page that it shares with us
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _run_forked(call, parent)
        gc.unfreeze()

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._wait(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises: TimeoutExpired"""
        if not self._ended and timeout is not None:
            watched = os.pidfd_open(self.pid)  # the process entry exists until we wait for it
            try:
                if not select.select([watched], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(str(self.pid), timeout)
            finally:
                os.close(watched)
        self._wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, options: int) -> int | None:
        if not self._ended:
            pid, status = os.waitpid(self.pid, options)
            if pid == 0:
                return None
            self.returncode, self._ended = os.waitstatus_to_exitcode(status), True
        return self.returncode


def _run_forked(call: Callable[[], object], parent: int) -> NoReturn:
    """Run as the child. Never return to the parent's work."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)  # the parent's wake-up pipe
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        end_with_parent()
        if os.getppid() == parent:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            call()
            code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - nothing may go on from here into the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class ChildEnded(Exception):
    """A child without restart ended."""

    def __init__(self, command: Command, exit_code: int) -> None:
        super().__init__(f"{command.name} ended by itself ({_how(exit_code)})")
        self.command, self.exit_code = command, exit_code


def end_with_parent() -> None:
    """Ask the kernel to send us SIGTERM when the process that started us dies, even by kill -9."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _spawn(command: Command) -> subprocess.Popen[bytes] | Fork:
    if command.call is not None:
        return Fork(command.call)
    parent = os.getpid()

    def prepare() -> None:
        # Runs in the child between fork and exec. We are single-threaded, so Python code is safe here.
        end_with_parent()
        if os.getppid() != parent:
            os._exit(1)  # the parent died before this call

    log = command.log.open("ab") if command.log else None
    try:
        return subprocess.Popen(  # noqa: S603 - the words are ours
            list(command.words),
            env=None if command.environment is None else dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=prepare,
        )
    finally:
        if log:
            log.close()


def _signal_group(child: Child, number: signal.Signals, *, leader_only: bool = False) -> None:
    try:
        if leader_only:
            child.process.send_signal(number)
        else:
            os.killpg(child.process.pid, number)
    except ProcessLookupError:
        pass


def _how(exit_code: int) -> str:
    return f"killed by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
