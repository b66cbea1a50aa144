"""Registration files are re-read within five seconds, and a bad one changes nothing."""

from pathlib import Path

import pytest

from idp.applications.files import application_files, estudent, read_applications
from idp.applications.registered import RegisteredApplications, journal_refusals
from tests.support.clock import ManualClock
from tests.support.sign_on import SignOn

FILE = """
id = "{id}"
name = {{ pl = "Opłaty", en = "Fees" }}
owner = "bursar@po.edu.pl"
[[url]]
host = "fees.example"
path_prefix = "/"
"""


def ids(registered: RegisteredApplications) -> list[str]:
    return sorted(registered.current().by_id)


@pytest.fixture
def registered(tmp_path: Path, clock: ManualClock) -> RegisteredApplications:
    (tmp_path / "fees.toml").write_text(FILE.format(id="fees"))
    return RegisteredApplications([tmp_path, tmp_path / "not-there"], [estudent("http://localhost")], clock)


def test_files_and_built_in_services_are_one_set(registered: RegisteredApplications) -> None:
    assert ids(registered) == ["estudent", "fees"]


def test_a_new_file_counts_within_five_seconds(
    registered: RegisteredApplications, tmp_path: Path, clock: ManualClock
) -> None:
    assert ids(registered) == ["estudent", "fees"]
    (tmp_path / "usosweb.toml").write_text(FILE.format(id="usosweb"))
    clock.advance(5)

    assert ids(registered) == ["estudent", "fees", "usosweb"]
    (tmp_path / "fees.toml").unlink()
    clock.advance(5)
    assert ids(registered) == ["estudent", "usosweb"]


@pytest.mark.parametrize(
    "bad", ["id = ", 'id = "x"', FILE.format(id="fees"), FILE.format(id="x") + "colour = 1", "\x00"]
)
def test_a_bad_file_is_refused_and_the_old_set_kept(tmp_path: Path, clock: ManualClock, bad: str) -> None:
    heard: list[str] = []
    (tmp_path / "fees.toml").write_text(FILE.format(id="fees"))
    registered = RegisteredApplications([tmp_path], [], clock, heard.append)
    assert ids(registered) == ["fees"]
    (tmp_path / "bad.toml").write_text(bad)
    for _ in range(3):
        clock.advance(5)
        assert ids(registered) == ["fees"]

    assert len(heard) == 1


def test_at_start_a_bad_file_does_not_keep_the_good_ones_out(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "bad.toml").write_text("id = ")
    (tmp_path / "fees.toml").write_text(FILE.format(id="fees"))

    assert ids(RegisteredApplications([tmp_path], [], clock)) == ["fees"]


def test_a_refusal_is_in_the_journal(sign_on: SignOn, clock: ManualClock) -> None:
    journal_refusals(sign_on.raw, clock)("bad.toml: id: too short")

    assert sign_on.events("applications.refused") == [("", "bad.toml: id: too short")]


def test_the_examples_that_we_ship_are_good() -> None:
    services = read_applications(application_files([Path("deploy/applications")]))

    assert {"fees", "usosweb"} <= {service.id for service in services}
