"""Make files that only their owner may read."""

import os
import tempfile
from pathlib import Path


def create_private(file: Path, content: bytes) -> None:
    """Make a file that is there with its whole content or not at all, whatever kill or full disk comes.

    Raises:  FileExistsError when it is there: it is never touched
    Effect:  its mode is 0600
    """
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
        os.link(stream.name, file)
