"""The name of a process in the database: as a worker, and as the name of its connections."""

import os
import socket
from pathlib import Path


def process_name() -> str:
    """Return a name that no other process has: machine, boot, PID namespace and PID.

    Shape:   "web1-6c60c5b968ea/4026531836/4711"; at most 63 characters, as PostgreSQL keeps of an application_name
    """
    return f"{here()}/{os.getpid()}"


def here() -> str:
    """Return the part of the name that all processes of this machine or container share until the next boot."""
    # Two machines may have one host name, and the first PID namespace has the same number on all machines.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").replace("-", "")[:12]
    # Two containers may have one host name and the same PIDs.
    space = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return f"{socket.gethostname()[:24]}-{boot}/{space}"
