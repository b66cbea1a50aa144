"""What numbers are worth nothing without: the machine and the versions."""

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("sqlalchemy", "python-ldap", "ldap3", "argon2-cffi", "msgspec")


def describe() -> Iterator[str]:
    """Yield lines that say what the numbers were taken on."""
    cpu = _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = int(_first(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text()) or 0) // 1024 // 1024
    yield f"{os.cpu_count()} cores {cpu}, {memory} GiB, load {os.getloadavg()[0]:.1f}, {_system()}"
    yield f"Python {platform.python_version()}, slapd {_slapd()}"
    yield ", ".join(f"{name} {version(name)}" for name in PACKAGES)


def _system() -> str:
    release = platform.freedesktop_os_release()
    return f"{release.get('PRETTY_NAME', platform.system())}, Linux {platform.release()}"


def _slapd() -> str:
    # -VV says the version and ends; it writes to standard error.
    said = subprocess.run(["/usr/sbin/slapd", "-VV"], capture_output=True, text=True, check=False).stderr
    return _first(r"slapd (\S+)", said)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else "?"
