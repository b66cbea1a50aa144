"""The inbox: a folder for the registry's exports. Finished files are imported once, in the order of writing.

NAME.csv         a full export
NAME.delta.csv   only changes; the name declares it
done/ refused/   where files go, with the moment before their name; beside a refused one stands the reason
anything else    is left alone: a name that begins with a dot or ends otherwise is a file in the making
"""

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from idp.db.databases import Databases
from idp.db.locks import exclusive
from idp.errors import Conflict, NotFound, RefusedSource
from idp.registry.reasons import Refusal
from idp.registry.results import ImportResult

DONE, REFUSED = "done", "refused"
FULL, DELTA = ".csv", ".delta.csv"
LOCK = "registry-inbox"
BREATH_S = 0.2  # between two writes of a program that opens the file for each write
STAMP = "%Y%m%dT%H%M%SZ"

Import = Callable[[Path, bool], ImportResult]
"""Imports a file; the flag says that it is a delta. Raises RefusedSource, and Conflict while another import runs."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcome of one file."""

    name: str
    result: ImportResult | None
    refusal: str = ""  # the word
    why: str = ""  # the sentence


def finished(inbox: Path, now: float, settle_s: float) -> list[Path]:
    """Return the finished files, the oldest first.

    A file is finished when it was quiet for `settle_s`; or at once when its name is younger than its content, that is,
    renamed into place after the last write; or when the system says that nobody has it open for writing.

    Raises:  NotFound when the folder is not there
    """
    found = []
    try:
        entries = list(os.scandir(inbox))
    except OSError as exc:
        raise NotFound(f"registry.inbox {inbox}: {exc.strerror}") from exc
    for entry in entries:
        if entry.name.startswith(".") or not entry.name.endswith(FULL):
            continue
        with suppress(FileNotFoundError):  # it was removed meanwhile
            status = entry.stat()
            if not stat.S_ISREG(status.st_mode):
                continue
            age_s = now - status.st_mtime
            is_renamed = status.st_ctime_ns > status.st_mtime_ns
            if is_renamed or age_s >= settle_s or (age_s >= BREATH_S and _has_no_writer(entry.path)):
                found.append((status.st_mtime_ns, entry.name))
    return [inbox / name for _, name in sorted(found)]


def _has_no_writer(path: str) -> bool:
    """Return whether the system says that nobody has the file open for writing."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # The system grants a read lease only while there is no writer (fcntl(2)). Without leases, time decides.
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def take_all(databases: Databases, inbox: Path, now: datetime, settle_s: float, take: Import) -> list[Taken]:
    """Import the finished files and return their outcomes.

    Raises:  Conflict when somebody else empties the inbox, or imports, now; what was taken before is put away
    Effect:  each file is imported and moved to `done`, or to `refused` with the reason in a file beside it. A file that
             is written to while it is read stays for the next time. A kill between import and move is harmless: the
             same file again changes nothing
    """
    taken: list[Taken] = []
    with exclusive(databases, LOCK):
        for file in finished(inbox, now.timestamp(), settle_s):
            try:
                result = take(file, file.name.endswith(DELTA))
            except RefusedSource as refusal:
                if refusal.reason == Refusal.CHANGED_WHILE_READ:
                    continue
                _put_away(file, inbox / REFUSED, now, f"{refusal.reason}: {refusal}\n")
                taken.append(Taken(file.name, None, refusal.reason, str(refusal)))
            except Conflict:
                if taken:
                    break  # report what was imported; the other files come next time
                raise
            else:
                _put_away(file, inbox / DONE, now)
                taken.append(Taken(file.name, result))
    return taken


def forget_old(inbox: Path, now: datetime, keep_days: int) -> int:
    """Delete files older than `keep_days` from done/ and refused/, because they hold national ids. Return how many."""
    before = (now - timedelta(days=keep_days)).strftime(STAMP)
    gone = 0
    for folder in (inbox / DONE, inbox / REFUSED):
        with suppress(FileNotFoundError):
            for entry in list(os.scandir(folder)):
                if entry.is_file(follow_symlinks=False) and entry.name[: len(before)] < before:
                    (folder / entry.name).unlink(missing_ok=True)
                    gone += 1
    return gone


def _put_away(file: Path, folder: Path, now: datetime, why: str = "") -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    place = folder / f"{now.strftime(STAMP)}-{file.name}"
    number = 1
    while place.exists():
        number += 1
        place = folder / f"{now.strftime(STAMP)}-{number}-{file.name}"
    file.rename(place)
    if why:
        place.with_name(place.name + ".reason.txt").write_text(why, encoding="utf-8")
