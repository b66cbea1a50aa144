"""What commands print with `--json` is what the reference says, on an installation with people, runs and sessions."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from deploy.openldap.private import PrivateSlapd
from idp.cli import COMMANDS, idp
from idp.cli.documents import DOCUMENTS
from idp.clock import Clock
from idp.db.databases import open_databases
from idp.db.raw import open_raw
from idp.db.settings import StoreSettings
from idp.people.account_queries import load_account
from idp.sso import sessions
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings
from tests.support.json_page import PAGE, page
from tests.support.terminal import Terminal

NEED_MORE = {
    "apply (awaiting approval)",  # a plan over the limits
    "people duplicates show",  # a pair; in the list it has the same shape
    "people unmerge",  # a merge that was applied; the same shape as a merge
    "runs approve",  # somebody signs in for it
}


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, directory, monkeypatch)


class Printed:
    """Runs commands and checks what each prints against its document."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.checked: set[str] = set()

    def __call__(self, command: str, *words: str) -> Any:
        result = self.terminal.result(*command.partition(" (")[0].split(), *words, "--json")
        assert result.exit_code in (0, 1), (command, result.output, result.exception)
        msgspec.json.decode(result.stdout, type=DOCUMENTS[command])
        self.checked.add(command)
        return json.loads(result.stdout)


def test_every_document_is_as_the_reference_says(terminal: Terminal, tmp_path: Path) -> None:
    printed = Printed(terminal)
    file = tmp_path / "export.csv"
    terminal.run("registry", "sample", str(file), "--people", "30")
    printed("addresses preview", str(file))

    taken = printed("registry import", str(file))
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing\n")
    printed("registry import (refused)", str(bad))
    plan = printed("plan", "--limit", "200")
    assert all(change["album"] or change["os_id"] for change in plan["changes"])
    printed("apply", plan["run_id"])
    first = plan["changes"][0]["person_id"]
    albums = [change["album"] for change in plan["changes"] if change["target"] == "ldap" and change["album"]]
    _sign_in(tmp_path, first)

    printed("runs list")
    exported = terminal.run("runs", "export", plan["run_id"], "-").splitlines()
    head, *changes = map(json.loads, exported)
    assert (head["run_id"], len(changes)) == (plan["run_id"], plan["total"])
    assert {"album", "os_id", "person_id"} <= changes[0].keys()
    printed("runs show", plan["run_id"])
    terminal.run("accounts", "lock", albums[0], "--reason", "lost card")
    printed("accounts locked")
    name = printed("explain person", albums[0])["name"]
    printed("people find", name)
    printed("people duplicates list", "--find")
    printed("people merge", albums[0], albums[1])
    printed("drift")
    printed("registry quarantine")
    assert taken["people"] >= 30
    printed("staff invite", "ewa@po.edu.pl", "--role", "operator")
    printed("staff list")
    printed("letters albums")
    printed("letters list")
    printed("letters send")
    printed("sessions list", _uid(plan, first))
    printed("sessions end", _uid(plan, first))
    printed("schedules list")
    printed("schedules run", "pick-up")
    printed("undo", plan["run_id"])
    printed("undo --drop-pins", plan["run_id"])
    printed("audit")
    printed("audit verify")
    printed("applications list")
    printed("applications lint")
    printed("applications explain", "https://unknown.example/")
    printed("config check")
    printed("keys list")
    status = printed("status")
    assert datetime.fromisoformat(status["last_import"]["started_at"]).utcoffset() == timedelta(0)

    of_fees = {name for name in DOCUMENTS if name.startswith("fees ")}  # tests/integration/test_fees_commands.py
    assert DOCUMENTS.keys() - printed.checked == NEED_MORE | of_fees


def test_every_command_with_json_has_a_document() -> None:
    with_json = {name for name, command in _commands(idp, "") if any(p.name == "as_json" for p in command.params)}

    assert with_json - DOCUMENTS.keys() == set()
    assert {name for name in DOCUMENTS if name.partition(" (")[0].partition(" --")[0] == name} <= with_json


def test_times_without_a_zone_are_refused() -> None:
    at = datetime(2026, 11, 30, tzinfo=UTC).replace(tzinfo=None).isoformat()
    document = {"session_id": "s", "remembered": False, "network": "", "browser": ""}
    times = dict.fromkeys(("signed_in_at", "seen_at", "expires_at"), at)

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps([{**document, **times}]), type=DOCUMENTS["sessions list"])


def _uid(plan: Any, person_id: str) -> str:
    return next(str(change["name"]) for change in plan["changes"] if change["person_id"] == person_id)


def _sign_in(folder: Path, person_id: str) -> None:
    databases = open_databases(StoreSettings(folder=folder / "data"))
    with databases.identity.read() as connection:
        account = load_account(connection, person_id)
    assert account is not None
    raw_store = open_raw(databases)
    sessions.start(raw_store, SsoSettings(), Clock(), account, Browser("203.0.113.7", "Firefox"))
    raw_store.close()
    databases.close()


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in sorted(COMMANDS) if group is idp else group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")


def test_the_reference_page_is_generated_from_the_documents() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
