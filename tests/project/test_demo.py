"""The demo as a whole: it starts, it stops by any signal, and it leaves nothing running."""

import json
import os
import signal
import socket
import stat
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import START, RunningDemo, copy_folder, copy_project, two_free_ports
from tests.support.processes import descendants, ended_within, is_listened_on

PROJECT = Path(__file__).parents[2]
STOPS_WITHIN_S = 10

Again = Callable[..., RunningDemo]


@pytest.fixture
def again(played_demo: Path, tmp_path: Path) -> Iterator[Again]:
    """Return a function that prepares another start of a demo that has been started before, in a folder of its own."""
    prepared: list[RunningDemo] = []

    def again(**how: Any) -> RunningDemo:
        folder = copy_folder(played_demo, tmp_path / f"copy-{len(prepared)}")
        prepared.append(RunningDemo(folder, two_free_ports(), **how))
        return prepared[-1]

    yield again
    for one in prepared:
        one.end()


def assert_stops(running: RunningDemo, stop: Callable[[], None]) -> None:
    processes = descendants(running.process.pid)
    assert processes
    stop()

    assert ended_within(running.process.pid, STOPS_WITHIN_S), running.output
    assert [pid for pid in processes if not ended_within(pid, 0)] == []
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


def test_the_server_says_in_one_line_where_it_is(demo: RunningDemo) -> None:
    log = (demo.project / "var" / "demo" / "logs" / "web.log").read_text(encoding="utf-8")

    assert f"idp serve: serving http://127.0.0.1:{demo.port} on 127.0.0.1:{demo.port}\n" in log


def test_only_its_owner_may_read_what_the_demo_writes(demo: RunningDemo) -> None:
    loose = [
        str(file.relative_to(demo.project))
        for file in (demo.project / "var").rglob("*")
        if file.stat().st_mode & 0o077 and not file.is_symlink()
    ]

    assert loose == []


def test_access_json_says_what_scripts_need(demo: RunningDemo) -> None:
    access = demo.access

    assert access["base_url"] == f"http://127.0.0.1:{demo.port}"
    assert access["cas_url"] == f"http://127.0.0.1:{demo.port}/cas"
    assert access["fees_url"] == f"http://localhost:{demo.port + 1}"
    assert access["ldap_url"].startswith("ldap://127.0.0.1:")
    assert access["base_dn"] == "dc=po,dc=edu,dc=pl"
    assert set(access["ldap_reader"]) == {"dn", "password"}
    assert Path(access["config"]).is_file()
    assert Path(access["applications_dir"]).is_dir()
    assert access["services_dir"] == access["applications_dir"]
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


def test_everybody_whom_one_can_be_is_printed(demo: RunningDemo) -> None:
    access = json.loads(demo.access_file.read_text(encoding="utf-8"))

    for each in (access["student"], access["clerk"], *access["operators"], access["administrator"]):
        assert f"{each['mail']}  {each['password']}" in demo.output


def test_a_copied_folder_is_a_second_demo_that_keeps_the_people(demo: RunningDemo, again: Again) -> None:
    running = again(ignores_sigint=True)
    running.access_file.write_text(json.dumps({"base_url": "of an earlier start"}))
    running.start()
    while "earlier" in (running.access_file.read_text() if running.access_file.exists() else ""):
        assert not ended_within(running.process.pid, 0.02), running.output
    running.wait_until_ready()

    for who in ("student", "clerk", "operators", "administrator"):
        assert running.access[who] == demo.access[who]
    assert running.access["unclaimed"]["album"] != running.access["student"]["album"]
    assert running.access["ldap_url"] != demo.access["ldap_url"]
    assert running.access["config"].startswith(str(running.project))
    for one in (demo, running):
        assert get(f"{one.access['base_url']}/readyz")[0] == 200
    # It was started like a script's background job, which inherits SIGINT as ignored.
    assert_stops(running, lambda: os.killpg(running.process.pid, signal.SIGINT))


def test_sigterm_to_make_alone_stops_everything(again: Again) -> None:
    # The Makefile's own recipe, without the installing before it: a copied folder would get a new .venv.
    running = again(command=("make", "--no-print-directory", "--file", "demo.mk", "demo"))
    (running.project / "demo.mk").write_text(f"demo:\n\t@exec {' '.join(START)}\n")
    running.start().wait_until_ready()

    assert_stops(running, lambda: os.kill(running.process.pid, signal.SIGTERM))


def test_the_makefile_gives_way_to_the_demo() -> None:
    recipe = (PROJECT / "Makefile").read_text().partition("\ndemo:")[2].splitlines()[1]

    assert recipe.strip() == "@exec $(PYTHON) -m deploy.demo"


def test_sigterm_during_the_start_stops_everything(again: Again) -> None:
    running = again().start()
    while len(descendants(running.process.pid)) < 3:
        assert not ended_within(running.process.pid, 0.05), running.output

    assert_stops(running, lambda: os.killpg(running.process.pid, signal.SIGTERM))


def test_a_killed_demo_takes_everything_with_it(again: Again) -> None:
    running = again().start().wait_until_ready()
    processes = descendants(running.process.pid)
    running.process.kill()
    running.process.wait()

    assert [pid for pid in processes if not ended_within(pid, STOPS_WITHIN_S)] == []
    assert not is_listened_on(running.port)
    assert not is_listened_on(running.port + 1)


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
    assert "service_ticket_s" not in (running.project / "var" / "demo" / "idp.toml").read_text()
