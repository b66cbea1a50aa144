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
    """Yield a text file that becomes FILE (mode 600) when all of it is written.

    Raises:  click.UsageError when FILE exists or cannot be written
    """
    refuse_existing(file)
    with writable(file):
        # Written beside FILE and renamed at the end, so that nobody loads half a file.
        handle, fresh = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                yield out
            Path(fresh).rename(file)
        except BaseException:
            Path(fresh).unlink()
            raise


def refuse_existing(file: Path) -> None:
    """Return if there is no FILE yet.

    Raises:  click.UsageError
    """
    if os.path.lexists(file):
        raise click.UsageError(f"{file} exists already. Choose another name, or remove the file first.")


@contextmanager
def writable(file: Path) -> Iterator[None]:
    """Turn an error of writing FILE into a clear message.

    Raises:  click.UsageError
    """
    try:
        yield
    except OSError as exc:
        raise click.UsageError(f"{file} cannot be written: {exc.strerror or exc}.") from exc
