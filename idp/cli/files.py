"""Files that commands write."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click


@contextmanager
def private_file(file: Path) -> Iterator[IO[str]]:
    """Yield a text that becomes FILE, for nobody else to read (mode 600), when all of it is written.

    Raises:  click.UsageError when there is such a file already, or none can be written there
    """
    if os.path.lexists(file):
        raise click.UsageError(f"{file} exists already: name another file, or remove it first.")
    with writable(file):
        # Beside it and renamed at the end: half a file looks like a whole one to whoever loads it.
        handle, fresh = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                yield out
            Path(fresh).rename(file)
        except BaseException:
            Path(fresh).unlink()
            raise


@contextmanager
def writable(file: Path) -> Iterator[None]:
    """Have it said plainly that FILE cannot be written.

    Raises:  click.UsageError
    """
    try:
        yield
    except OSError as exc:
        raise click.UsageError(f"{file} cannot be written: {exc.strerror or exc}.") from exc
