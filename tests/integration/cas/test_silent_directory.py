"""A storm of sign-ins while the directory is silent, against the web server with its shipped threads and limits."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from deploy.demo.configuration import write_toml
from idp.cli.granian import granian_command
from idp.clock import Clock
from idp.db.raw import open_raw
from idp.keys.key_files import Keys, create_missing_keys
from idp.keys.settings import KeysSettings
from idp.people.account_queries import Key, find_account
from idp.sso import sessions
from idp.sso.settings import SsoSettings
from idp.web.settings import WebSettings
from tests.support.cas_clients.programs import Program
from tests.support.databases import SqliteTemplate
from tests.support.processes import quiet_port
from tests.support.sign_on import LOOPBACK, hidden_fields, silent_port
from tests.support.students import Student, add_student

TIMEOUT_S = 1.0  # half of the default: the machine may be busy with other tests
PROMISED_S = 3.0
APP = "http://127.0.0.1:9/app"


@dataclass(frozen=True)
class Answer:
    """What a browser saw."""

    status: int
    headers: http.client.HTTPMessage
    text: str
    seconds: float


def ask(port: int, path: str, cookie: str = "", body: str = "") -> Answer:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Cookie": cookie} if cookie else {}
    if body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request("POST" if body else "GET", path, body or None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        return Answer(answer.status, answer.headers, text, time.monotonic() - began)
    finally:
        connection.close()


def session_of_anna(template: SqliteTemplate, folder: Path, keys: Keys) -> str:
    """Return the session cookie of somebody who signed in before the directory fell silent."""
    clock = Clock()
    with template.databases(folder / "data") as databases:
        anna = add_student(databases, keys, Student("anna", album="12345", claimed_at=clock.now()))
        with databases.identity.read() as connection:
            account = find_account(connection, Key.UID, anna.uid)
        assert account is not None
        raw_store = open_raw(databases)
        started = sessions.start(raw_store, SsoSettings(), clock, account, sessions.Browser())
        raw_store.close()
    return f"idp_sso={started.token}"


def test_sessions_go_on_and_everybody_else_hears_the_truth_in_time(
    sqlite_template: SqliteTemplate, keys: Keys, tmp_path: Path
) -> None:
    web, sso = WebSettings(), SsoSettings()
    storm = sso.parallel_checks + sso.waiting_checks + 4
    cookie = session_of_anna(sqlite_template, tmp_path, keys)
    create_missing_keys(KeysSettings(folder=tmp_path / "keys"))
    (tmp_path / "applications").mkdir()
    (tmp_path / "applications" / "app.toml").write_text(LOOPBACK)
    (tmp_path / "signin").touch(mode=0o600)
    (tmp_path / "signin").write_text("secret")
    port = quiet_port()
    with silent_port() as silent:
        directory = {"url": f"ldap://127.0.0.1:{silent.getsockname()[1]}", "timeout_s": TIMEOUT_S}
        sections: dict[str, dict[str, Any]] = {
            "web": {"base_url": f"http://127.0.0.1:{port}"},
            "store": {"folder": "data"},
            "keys": {"folder": "keys"},
            "directory": {**directory, "signin_password_file": "signin", "accounts_password_file": "signin"},
            "letters": {"transport": "folder", "folder": "letters"},
            "applications": {"dirs": ["applications"]},
        }
        write_toml(tmp_path / "idp.toml", "IDP_CONFIG_EXTRA", sections)
        words = granian_command("idp.app.pages:create_app", "127.0.0.1", port, 1, web.blocking_threads)
        server = Program(tmp_path / "log", words, {"IDP_CONFIG": str(tmp_path / "idp.toml")})
        try:
            server.wait_until(lambda: answers(port))
            forms = [ask(port, "/cas/login") for _ in range(storm)]
            with ThreadPoolExecutor(storm) as pool:
                tries = [
                    pool.submit(
                        ask,
                        port,
                        "/cas/login",
                        str(form.headers["Set-Cookie"]).partition(";")[0],
                        urlencode({"lt": hidden_fields(form.text)["lt"], "username": "12345", "password": "x"}),
                    )
                    for form in forms
                ]
                meanwhile = [ask(port, f"/cas/login?service={quote(APP, safe='')}", cookie)]
                while not all(one.done() for one in tries):
                    meanwhile.append(ask(port, f"/cas/login?service={quote(APP, safe='')}", cookie))
            told = [one.result() for one in tries]
        finally:
            server.stop()

    assert {one.status for one in told} == {503}
    assert all(one.headers["Retry-After"] for one in told)
    assert max(one.seconds for one in told) < PROMISED_S
    assert {one.status for one in meanwhile} == {303}
    assert max(one.seconds for one in meanwhile) < TIMEOUT_S


def answers(port: int) -> bool:
    try:
        return ask(port, "/healthz").status == 200
    except OSError:
        return False
