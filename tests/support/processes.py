"""Watch real processes from a test: wait for their end without polling, and see what is left of them."""

import os
import secrets
import select
import socket
from pathlib import Path


def ended_within(pid: int, seconds: float) -> bool:
    """Return whether the process is gone, or becomes so in time; it need not be our child."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


def descendants(pid: int) -> set[int]:
    """Return the processes that `pid` started, and those that these started, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := parent_of(int(entry.name))):
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    ask = [pid]
    while ask:
        for child in children.get(ask.pop(), []):
            found.add(child)
            ask.append(child)
    return found


def parent_of(pid: int) -> int | None:
    """Return who started a process, or None when it is gone."""
    try:
        # The name may hold spaces and parentheses; what follows its last parenthesis does not.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def quiet_port() -> int:
    """Return a loopback port that nobody listens on, and that the kernel gives to no outgoing connection meanwhile."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = secrets.choice(range(first_outgoing // 2, first_outgoing))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_listened_on(port: int) -> bool:
    """Return whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
