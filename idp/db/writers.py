"""Writers of one SQLite file write one after the other, without sleeping."""

import fcntl
import os
import threading
from pathlib import Path

from sqlalchemy.exc import TimeoutError as TookTooLong


class WriterQueue:
    """The queue of the writers of one SQLite file.

    SQLite has one writer per file. A writer that finds the file locked sleeps 1, 2, 5, 10 … ms and tries again, so an
    import that writes chunk after chunk would starve everybody else. Here threads of one process wait at a lock, and
    processes wait at a file lock. The kernel hands the file lock on at once, and frees it when a process dies. A writer
    outside the queue is waited for in SQLite's own way.

    The kernel's wait has no timeout. If another process is stopped while it has the file lock, one thread of this
    process waits for it, and the others give up after `wait_s`.
    """

    def __init__(self, lock_file: Path, wait_s: float) -> None:
        """`lock_file`: an empty file, created if it is missing, and readable by all who may enter its folder."""
        self._lock_file = lock_file
        self._wait_s = wait_s
        self._descriptor = -1
        self._threads = threading.Lock()

    def __enter__(self) -> None:
        take(self._threads, self._wait_s)
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._lock_file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_error: object) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        with self._threads:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


class BoundedLock:
    """A lock between threads of one process; waiting for it ends with an error."""

    __slots__ = ("_lock", "_wait_s")

    def __init__(self, wait_s: float) -> None:
        self._lock = threading.Lock()
        self._wait_s = wait_s

    def __enter__(self) -> None:
        take(self._lock, self._wait_s)

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


def take(lock: threading.Lock, wait_s: float) -> None:
    """Take a lock. Raises: the store's TimeoutError when others have it for too long."""
    if not lock.acquire(timeout=wait_s):
        raise TookTooLong(f"others have been writing for {wait_s:g} s")
