"""Install Keycloak for this user: fetched by Maven, checked, unpacked and built once, then shared by every checkout.

`python -m deploy.keycloak.install`; says nothing where it is installed. A killed installation is taken up again.
Which registry Maven asks is Maven's own configuration (~/.m2/settings.xml), and no business of ours.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "26.7.3"
ARTEFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
# What cannot be said at the start: the kind of database, and that /health/ready is answered.
BUILD = ("--db=dev-file", "--health-enabled=true")
JAVA_AT_LEAST = 17
FETCH_WITHIN_S, BUILD_WITHIN_S = 900, 900

Say = Callable[[str], None]


class KeycloakFailed(Exception):
    """Keycloak is missing or did not start; the text says what to do, or what it said."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A Keycloak that is ready to be started, and the Java to start it with."""

    folder: Path
    java: str


def main() -> int:
    """Install what is missing; return the exit code."""
    try:
        install(say=lambda sentence: print(sentence, flush=True))
    except KeycloakFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def install(say: Say = lambda _: None) -> Installed:
    """Return Keycloak, installed first where it is not; a second call is instant.

    Raises:  KeycloakFailed with what Maven or Keycloak said
    Effect:  a folder under the user's cache, complete or not there at all
    """
    java = find_java()
    folder = cache() / f"keycloak-{VERSION}"
    if not _is_ready(folder):
        cache().mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(cache() / "keycloak.lock"):
            if not _is_ready(folder):  # whoever held the lock may have installed it
                _install(folder, java, say)
    return Installed(folder, java)


def find_installed() -> Installed:
    """Return the installed Keycloak.

    Raises:  KeycloakFailed when there is none; it names the command
    """
    folder = cache() / f"keycloak-{VERSION}"
    if not _is_ready(folder):
        raise KeycloakFailed(f"Keycloak {VERSION} is not installed: run `python -m deploy.keycloak.install`.")
    return Installed(folder, find_java())


def cache() -> Path:
    """Return the folder that outlives a checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "idp"


def find_java() -> str:
    """Return a Java that is new enough.

    Raises:  KeycloakFailed naming the package
    """
    home = os.environ.get("JAVA_HOME")
    for program in (home and str(Path(home) / "bin" / "java"), shutil.which("java")):
        if program and _release_of(program) >= JAVA_AT_LEAST:
            return program
    raise KeycloakFailed(f"Java {JAVA_AT_LEAST} or newer is missing: install openjdk-17-jre-headless.")


def _release_of(java: str) -> int:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - java itself
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', said.stderr)
    return int(found[1]) if found else 0


def _is_ready(folder: Path) -> bool:
    try:
        return (folder / "idp-ready").read_text() == _mark()
    except OSError:
        return False


def _mark() -> str:
    return f"{SHA256} {' '.join(BUILD)}\n"


def _install(folder: Path, java: str, say: Say) -> None:
    fresh = folder.with_name(folder.name + ".new")
    for leftover in (fresh, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir()
    say(f"Fetching Keycloak {VERSION} (177 MB, once for this user) …")
    archive = _fetch(fresh)
    _check(archive)
    say("Unpacking and building it (half a minute to two) …")
    _run(["unzip", "-q", str(archive), "-d", str(fresh)], fresh, BUILD_WITHIN_S)
    archive.unlink()
    unpacked = fresh / f"keycloak-{VERSION}"
    _run([str(unpacked / "bin" / "kc.sh"), "build", *BUILD], fresh, BUILD_WITHIN_S, java)
    (unpacked / "idp-ready").write_text(_mark())
    unpacked.rename(folder)
    shutil.rmtree(fresh)


def _fetch(folder: Path) -> Path:
    # `copy` alone takes it from Maven's own store where that has it: a second try costs nothing.
    goal = "org.apache.maven.plugins:maven-dependency-plugin:copy"
    _run(
        ["mvn", "--batch-mode", "-q", goal, f"-Dartifact={ARTEFACT}", f"-DoutputDirectory={folder}"],
        folder,
        FETCH_WITHIN_S,
    )
    return folder / f"keycloak-quarkus-dist-{VERSION}.zip"


def _check(archive: Path) -> None:
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256:
        raise KeycloakFailed(
            f"{ARTEFACT} is not the file that we know (SHA-256 {found}, not {SHA256}): it was not unpacked."
        )


def _run(command: list[str], folder: Path, within_s: float, java: str = "") -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KC_")}
    if java:
        environment["JAVA"] = java
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
        )
    except FileNotFoundError as exc:
        raise KeycloakFailed(f"{command[0]} is missing: run `scripts/packages keycloak`.") from exc
    except subprocess.TimeoutExpired as exc:
        raise KeycloakFailed(f"{command[0]} did not end within {within_s:.0f} s.") from exc
    if done.returncode != 0:
        raise KeycloakFailed(f"{' '.join(command[:2])} failed:\n{done.stdout[-3000:]}")


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep two installers apart: another checkout, another test run."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
