"""What a process is called in the database: among the workers, and beside each of its connections."""

import os
import socket
from pathlib import Path


def process_name() -> str:
    """Return a name that no other process has: machine and its boot, space of process numbers, and process.

    Shape:   "web1-6c60c5b968ea/4026531836/4711"; at most 63 characters, as PostgreSQL keeps of an application_name
    """
    return f"{here()}/{os.getpid()}"


def here() -> str:
    """Return the part of the name that the processes of this machine, or container, share until it is booted again."""
    # Two machines may have one host name, and the first space of process numbers has the same key on all of them.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").replace("-", "")[:12]
    # Two containers may have one host name and the same process numbers.
    space = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return f"{socket.gethostname()[:24]}-{boot}/{space}"
