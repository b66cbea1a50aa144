"""Writers of one SQLite file, one after the other and without sleeping."""

import fcntl
import os
import threading
from pathlib import Path

from sqlalchemy.exc import TimeoutError as TookTooLong


class WriterQueue:
    """Where writers of one SQLite file wait for each other.

    SQLite has one writer per file; others sleep 1, 2, 5, 10 … ms and try again, however short the wait would be. Here
    threads of one process wait at a lock, and processes at a file lock, which the kernel hands on at once and takes
    from whoever dies. Who writes past the queue is waited for in SQLite's own way.

    The kernel's wait has no end. While another process is stopped with the file lock, one thread of this one waits for
    it, and the others give up in their time.
    """

    def __init__(self, folder: Path, wait_s: float) -> None:
        """`folder`: of the file; it is locked itself, so that there is no lock file with an owner of its own."""
        self._folder = folder
        self._wait_s = wait_s
        self._descriptor = -1
        self._threads = threading.Lock()

    def __enter__(self) -> None:
        take(self._threads, self._wait_s)
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
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


class Turn:
    """A lock between threads of one process that is not waited for without end."""

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
