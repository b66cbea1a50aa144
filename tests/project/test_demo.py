"""The demo as a whole: it starts, it stops by any signal, and it leaves nothing running."""

import json
import os
import shutil
import signal
import socket
import stat
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import START, RunningDemo, copy_project, two_free_ports
from tests.support.processes import descendants, ended_within, is_listened_on

PROJECT = Path(__file__).parents[2]
STOPS_WITHIN_S = 10

Again = Callable[..., RunningDemo]


@pytest.fixture
def again(demo: RunningDemo, tmp_path: Path) -> Iterator[Again]:
    """Return a function that prepares another start over a copy of the shared demo's people."""
    started: list[RunningDemo] = []

    def again(**how: Any) -> RunningDemo:
        folder = tmp_path / f"copy-{len(started)}"
        shutil.copytree(demo.project, folder, ignore=_vanishing)
        started.append(RunningDemo(folder, two_free_ports(), **how))
        return started[-1]

    yield again
    for one in started:
        one.end()


def _vanishing(_folder: str, names: list[str]) -> list[str]:
    # SQLite removes these while we copy; access.json would be of another folder.
    return [name for name in names if name.endswith((".db-wal", ".db-shm", ".new")) or name == "access.json"]


def assert_all_gone(running: RunningDemo, processes: set[int], seconds: float = 0) -> None:
    assert [pid for pid in processes if not ended_within(pid, seconds)] == []
    assert not is_listened_on(running.port)
    assert not is_listened_on(running.port + 1)
    assert not running.access_file.exists()


def get(url: str) -> tuple[int, str]:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


def test_when_access_json_is_there_everything_answers(demo: RunningDemo) -> None:
    access = demo.access

    assert get(f"{access['base_url']}/readyz")[0] == 200
    assert get(f"{access['fees_url']}/readyz")[0] == 200
    assert get(f"{access['cas_url']}/login")[0] == 200


def test_access_json_says_what_scripts_need(demo: RunningDemo) -> None:
    access = demo.access

    assert access["base_url"] == f"http://127.0.0.1:{demo.port}"
    assert access["cas_url"] == f"http://127.0.0.1:{demo.port}/cas"
    assert access["fees_url"] == f"http://localhost:{demo.port + 1}"
    assert access["ldap_url"].startswith("ldap://127.0.0.1:")
    assert access["base_dn"] == "dc=po,dc=edu,dc=pl"
    assert set(access["ldap_reader"]) == {"dn", "password"}
    assert Path(access["config"]).is_file()
    assert Path(access["services_dir"]).is_dir()
    assert Path(access["letters_dir"]).is_dir()
    assert set(access["student"]) >= {"username", "principal", "mail", "alias", "album", "password"}
    assert access["student"]["principal"] == access["student"]["username"]
    assert access["student"]["alias"] == f"s{access['student']['album']}@student.po.edu.pl"
    assert set(access["unclaimed"]) - {"pesel", "document"} == {"album", "given_name", "surname", "date_of_birth"}
    assert len(access["operators"]) == 2
    for member in (access["clerk"], *access["operators"], access["administrator"]):
        assert set(member) >= {"username", "mail", "password"}


def test_access_json_is_for_its_owner_alone(demo: RunningDemo) -> None:
    assert stat.S_IMODE(demo.access_file.stat().st_mode) == 0o600


def test_without_a_terminal_there_are_no_colours(demo: RunningDemo) -> None:
    assert "\x1b" not in demo.output


def test_the_commands_to_try_are_printed_in_full(demo: RunningDemo) -> None:
    assert "IDP_CONFIG=var/demo/idp.toml" in demo.output
    assert "var/demo/letters/" in demo.output


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_process_group_stops_everything(again: Again, word: signal.Signals) -> None:
    running = again(ignores_sigint=True).start().wait_until_ready(60)
    processes = descendants(running.process.pid)
    os.killpg(running.process.pid, word)

    assert ended_within(running.process.pid, STOPS_WITHIN_S)
    assert_all_gone(running, processes)


def test_sigterm_to_make_alone_stops_everything(again: Again) -> None:
    running = again(command=("make", "--file", "-", "demo"))
    # The Makefile's own recipe, without the installing before it: a copied folder would get a new .venv.
    makefile = f"demo:\n\t@exec {' '.join(START)}\n"
    (running.project / "demo.mk").write_text(makefile)
    running.command = ("make", "--no-print-directory", "--file", "demo.mk", "demo")
    running.start().wait_until_ready(60)
    processes = descendants(running.process.pid)
    os.kill(running.process.pid, signal.SIGTERM)

    assert ended_within(running.process.pid, STOPS_WITHIN_S)
    assert_all_gone(running, processes)


def test_the_makefile_gives_way_to_the_demo() -> None:
    recipe = (PROJECT / "Makefile").read_text().partition("\ndemo:")[2].splitlines()[1]

    assert recipe.strip() == "@exec $(PYTHON) -m deploy.demo"


def test_a_signal_during_the_start_stops_everything(again: Again) -> None:
    running = again().start()
    while len(processes := descendants(running.process.pid)) < 3:
        assert not ended_within(running.process.pid, 0.05), running.output
    os.kill(running.process.pid, signal.SIGTERM)

    assert ended_within(running.process.pid, STOPS_WITHIN_S)
    assert_all_gone(running, processes)


def test_a_killed_demo_takes_everything_with_it(again: Again) -> None:
    running = again().start().wait_until_ready(60)
    processes = descendants(running.process.pid)
    running.process.kill()
    running.process.wait()

    assert [pid for pid in processes if not ended_within(pid, STOPS_WITHIN_S)] == []
    assert not is_listened_on(running.port)
    assert running.access_file.exists()


def test_a_left_over_access_json_goes_at_the_next_start(again: Again) -> None:
    running = again()
    running.access_file.write_text(json.dumps({"base_url": "of an earlier start"}))
    running.start()
    while "base_url" in (text := running.access_file.read_text() if running.access_file.exists() else ""):
        assert "earlier" in text
        assert not ended_within(running.process.pid, 0.02), running.output
    running.wait_until_ready(60)

    assert running.access["base_url"] == f"http://127.0.0.1:{running.port}"


def test_a_second_start_keeps_the_people_and_names_somebody_new_who_is_unclaimed(
    demo: RunningDemo, again: Again
) -> None:
    running = again().start().wait_until_ready(60)

    for who in ("student", "clerk", "operators", "administrator"):
        assert running.access[who] == demo.access[who]
    assert running.access["unclaimed"]["album"] != running.access["student"]["album"]


def test_a_copied_folder_runs_beside_the_first(demo: RunningDemo, again: Again) -> None:
    running = again().start().wait_until_ready(60)

    assert running.access["ldap_url"] != demo.access["ldap_url"]
    assert running.access["config"].startswith(str(running.project))
    for one in (demo, running):
        assert get(f"{one.access['base_url']}/readyz")[0] == 200


def test_a_folder_runs_one_demo_at_a_time(demo: RunningDemo) -> None:
    second = RunningDemo(demo.project, two_free_ports()).start()

    assert second.process.wait(30) == 1
    assert "runs already" in second.output
    assert demo.access_file.exists()


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    running = RunningDemo(copy_project(tmp_path / "copy"), two_free_ports())
    with socket.socket() as other:
        other.bind(("127.0.0.1", running.port + 1))
        other.listen()
        running.start()

        assert running.process.wait(30) == 1
    assert f"port {running.port + 1}" in running.output
    assert "IDP_PORT" in running.output
    assert list((running.project / "var").glob("demo/*")) == []


@pytest.mark.parametrize("port", ["0", "65535", "http", "-1"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    running = RunningDemo(copy_project(tmp_path / "copy"), 1, environment={"IDP_PORT": port}).start()

    assert running.process.wait(30) == 1
    assert f"IDP_PORT={port}" in running.output


def test_a_file_laid_over_the_settings_holds_for_that_start(again: Again, tmp_path: Path) -> None:
    extra = tmp_path / "extra.toml"
    extra.write_text("[cas]\nservice_ticket_s = 77\n[nonsense]\nx = 1\n")
    running = again(environment={"IDP_CONFIG_EXTRA": str(extra)}).start()

    assert running.process.wait(60) == 1
    assert "nonsense" in running.output
    assert "77" not in (running.project / "var" / "demo" / "idp.toml").read_text()
