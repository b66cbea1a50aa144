"""What commands write to the terminal: text of people and servers cannot steer it."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from idp.text import visible

# Colours and weights, which click and rich write. Nothing else that begins with an escape character is ours.
_STYLE = re.compile(r"(\x1b\[[0-9;]{0,24}m)")
NO_READER = 128 + signal.SIGPIPE  # as a shell names the end of a process by SIGPIPE
_BLANKS_AT_END = re.compile(r" +$", re.MULTILINE)


class VisibleOutput:
    """A text stream that writes control characters as their escapes; styles pass on a terminal alone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`."""
        with self._ending_without_reader():
            if text.isprintable():
                self._stream.write(text)
            elif self._stream.isatty():
                # Every second part is a style.
                parts = _STYLE.split(text)
                self._stream.write("".join(part if at % 2 else visible(part) for at, part in enumerate(parts)))
            else:
                self._stream.write(visible(text))
        return len(text)

    def flush(self) -> None:
        """Write what is kept back."""
        with self._ending_without_reader():
            self._stream.flush()

    @contextmanager
    def _ending_without_reader(self) -> Iterator[None]:
        """End the process as SIGPIPE does where nobody reads any more: exit code 1 means something else."""
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what is still kept back must not fail again at the end
            os.close(nowhere)
            raise SystemExit(NO_READER) from None

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class TrimmedOutput:
    """A text stream that drops blanks at the ends of lines. Tables are padded, and files need no padding."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`."""
        self._stream.write(_BLANKS_AT_END.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def show_only_visible() -> None:
    """Effect: from now on everything that this process prints passes through VisibleOutput."""
    sys.stdout = VisibleOutput(sys.stdout)
    sys.stderr = VisibleOutput(sys.stderr)
