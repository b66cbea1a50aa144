"""What commands write to the terminal: text of people and servers cannot steer it."""

import re
import sys
from typing import Any, TextIO

from idp.text import visible

# Colours and weights, which click and rich write. Nothing else that begins with an escape character is ours.
_STYLE = re.compile(r"(\x1b\[[0-9;]{0,24}m)")
_BLANKS_AT_END = re.compile(r" +$", re.MULTILINE)


class VisibleOutput:
    """A text stream that writes control characters as their escapes; styles pass on a terminal alone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`."""
        if text.isprintable():
            self._stream.write(text)
        elif self._stream.isatty():
            # Every second part is a style.
            parts = _STYLE.split(text)
            self._stream.write("".join(part if at % 2 else visible(part) for at, part in enumerate(parts)))
        else:
            self._stream.write(visible(text))
        return len(text)

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
