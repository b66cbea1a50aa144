"""Installing Debian packages: what is said, and that no service is ever started by it.

A stand-in for apt-get tells what it was asked and what the guard looked like meanwhile; the scripts are the real ones.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import ended_within

SCRIPTS = Path(__file__).parents[2] / "scripts"

APT_GET = """#!/bin/sh
echo "$$ $*" >>"$CALLS"
if [ -x "$IDP_POLICY_FILE" ]; then "$IDP_POLICY_FILE" slapd start; echo "guard says $?" >>"$CALLS"; fi
case "$*" in *install*) [ -z "$HANG" ] || { echo hanging >"$HANG"; exec sleep 60; } ;; esac
"""


@dataclass
class Machine:
    """A folder that stands for the parts of a machine that the scripts touch."""

    folder: Path

    @property
    def guard(self) -> Path:
        return self.folder / "policy-rc.d"

    @property
    def calls(self) -> list[str]:
        """What apt-get was asked and saw, without its process ids and our quieting options."""
        text = (self.folder / "calls").read_text() if (self.folder / "calls").exists() else ""
        quiet = "-qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "
        return [line.replace(quiet, "").lstrip("0123456789 ") for line in text.splitlines()]

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", *words],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "CALLS": str(self.folder / "calls"),
                "HANG": "",
                "TMPDIR": str(self.folder),
                "IDP_POLICY_FILE": str(self.guard),
                "IDP_LOCK_FILE": str(self.folder / "lock"),
            }
            | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*words, **environment)
        output, errors = process.communicate(timeout=30)
        return process.returncode, output, errors


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(APT_GET)
    program.chmod(0o755)
    return Machine(tmp_path)


@pytest.fixture
def hanging(machine: Machine) -> Iterator[subprocess.Popen[str]]:
    """An installation in the middle of apt-get's work."""
    word = machine.folder / "hangs"
    os.mkfifo(word)
    process = machine.start(str(SCRIPTS / "install-packages"), "slapd", HANG=str(word))
    word.read_text()  # returns when the stand-in has written
    yield process
    process.kill()
    process.communicate()


def apt_get_of(machine: Machine) -> int:
    installing = [line for line in (machine.folder / "calls").read_text().splitlines() if "install" in line]
    return int(installing[0].split()[0])


def test_packages_are_installed_behind_a_guard_that_goes_again(machine: Machine) -> None:
    code, _, _ = machine.run(str(SCRIPTS / "install-packages"), "slapd", "ldap-utils")

    assert code == 0
    assert machine.calls == [
        "update",
        "guard says 101",
        "install -y --no-remove --no-install-recommends slapd ldap-utils",
        "guard says 101",
    ]
    assert not machine.guard.exists()


def test_a_service_that_was_missing_is_left_disabled(machine: Machine) -> None:
    program = machine.folder / "bin" / "systemctl"
    program.write_text('#!/bin/sh\necho "systemctl $*" >>"$CALLS"\n')
    program.chmod(0o755)
    code, output, _ = machine.run(str(SCRIPTS / "install-packages"), "gcc", "slapd", "postgresql")

    assert code == 0
    assert machine.calls[-2:] == ["systemctl disable slapd", "systemctl disable postgresql"]
    assert output.splitlines() == [
        "The service slapd is installed and disabled; to use it: systemctl enable --now slapd",
        "The service postgresql is installed and disabled; to use it: systemctl enable --now postgresql",
    ]


def test_a_guard_of_the_machine_is_left_as_it_is(machine: Machine) -> None:
    machine.guard.write_text("#!/bin/sh\nexit 104\n")
    machine.guard.chmod(0o755)

    machine.run(str(SCRIPTS / "install-packages"), "slapd")

    assert "guard says 104" in machine.calls
    assert machine.guard.read_text() == "#!/bin/sh\nexit 104\n"


def test_a_signal_ends_apt_get_and_removes_the_guard(machine: Machine, hanging: subprocess.Popen[str]) -> None:
    assert machine.guard.exists()
    hanging.send_signal(signal.SIGTERM)

    assert hanging.wait(10) == 143
    assert ended_within(apt_get_of(machine), 5)
    assert not machine.guard.exists()


def test_the_guard_of_a_killed_run_goes_at_the_next_start(machine: Machine, hanging: subprocess.Popen[str]) -> None:
    hanging.kill()
    hanging.wait(10)
    os.kill(apt_get_of(machine), signal.SIGKILL)
    assert machine.guard.exists()

    machine.run(str(SCRIPTS / "install-packages"))

    assert not machine.guard.exists()


MISSING = "libc6-dev libldap2-dev libsasl2-dev postgresql fonts-dejavu-core libapache2-mod-auth-cas php-xml php-cas"


def test_what_is_missing_is_named_in_one_message(machine: Machine) -> None:
    code, output, errors = machine.run(
        str(SCRIPTS / "packages"), "test", IDP_SYSTEM_ROOT="/nowhere", IDP_NO_INSTALL="1"
    )

    assert code == 1
    assert output == ""
    assert errors.splitlines() == [
        f"Missing Debian packages: {MISSING}; IDP_NO_INSTALL forbids installing them."
        f" Install them and start again: apt-get install {MISSING}"
    ]


def test_the_demo_needs_less_than_the_tests(machine: Machine) -> None:
    _, _, errors = machine.run(str(SCRIPTS / "packages"), "demo", IDP_SYSTEM_ROOT="/nowhere", IDP_NO_INSTALL="1")

    assert errors.startswith("Missing Debian packages: libc6-dev libldap2-dev libsasl2-dev; ")


@pytest.mark.parametrize(
    ("arguments", "purpose"),
    [
        ("", "test"),
        ("tests/unit", "unit"),
        ("-x tests/unit/web tests/unit/cas/test_urls.py::test_x", "unit"),
        ("tests/unit tests/store", "test"),
        ("tests/integration/test_proxy.py", "test"),
        ("-k ticket", "test"),
    ],
)
def test_only_a_selection_of_unit_tests_does_without_servers(machine: Machine, arguments: str, purpose: str) -> None:
    """No Keycloak is fetched then (177 MB); the Makefile asks the same script."""
    assert machine.run(str(SCRIPTS / "test-purpose"), *arguments.split()) == (0, f"{purpose}\n", "")


def test_unit_tests_need_what_the_demo_needs(machine: Machine) -> None:
    wanted = {"IDP_SYSTEM_ROOT": "/nowhere", "IDP_NO_INSTALL": "1"}
    demo, unit = (machine.run(str(SCRIPTS / "packages"), purpose, **wanted) for purpose in ("demo", "unit"))

    assert unit == demo


@pytest.mark.parametrize("purpose", ["demo", "test"])
def test_where_nothing_is_missing_nothing_is_said_or_done(machine: Machine, purpose: str) -> None:
    assert machine.run(str(SCRIPTS / "packages"), purpose) == (0, "", "")
    assert machine.calls == []
