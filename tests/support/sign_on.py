"""The sign-on service as idp.app builds it, over a test's own databases, clock and slapd, with services in a folder."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from argon2 import PasswordHasher, Type
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from deploy.openldap.private import PrivateSlapd
from idp.applications.registered import RegisteredApplications
from idp.cas.logout import CasLogoutSender
from idp.cas.settings import CasSettings
from idp.cas.tickets import TicketService
from idp.cas.views import blueprint
from idp.cas.wsgi_fast_path import WsgiFastPath
from idp.clock import Clock
from idp.db.databases import Databases
from idp.db.raw import RawStore, open_raw
from idp.drivers.http import Outgoing
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapServer
from idp.errors import Conflict
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.views import PersonValues
from idp.sso.captcha import Captcha
from idp.sso.concurrency import ConcurrencyLimiter
from idp.sso.cookie import SessionCookie
from idp.sso.login_page import LoginPage
from idp.sso.login_throttle import LoginThrottle
from idp.sso.login_tickets import LoginTickets
from idp.sso.settings import SsoSettings
from idp.sso.sign_in import PasswordCheck
from idp.sso.sign_on import SignOnService
from idp.sso.sign_out import SignOutService
from idp.web.plumbing import new_flask
from idp.web.settings import UniversitySettings, WebSettings

BASE_URL = "http://localhost"
LOOPBACK = """
id = "loopback"
name = { pl = "Zgłoszone na tej maszynie", en = "Registered on this machine" }
owner = "tests"
attributes = ["mail", "givenName", "sn", "eduPersonAffiliation", "schacPersonalUniqueCode"]
proxy = { allowed = true, http_on_loopback = true }

[[url]]
schemes = ["http", "https"]
host = "127.0.0.1"
port = "*"
path_prefix = "/"

[[url]]
schemes = ["http", "https"]
host = "localhost"
port = "*"
path_prefix = "/"
"""
# Cheap on purpose: what a hash costs is measured elsewhere.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID)


@dataclass
class SignOn:
    """One sign-on service."""

    app: Flask
    databases: Databases
    raw: RawStore
    tickets: TicketService
    service: SignOnService
    login_tickets: LoginTickets
    applications: RegisteredApplications
    sign_out: SignOutService
    folder: Path  # of the registrations
    clock: Clock

    def browser(self) -> "Browser":
        """Return a browser without cookies."""
        return Browser(self.app.test_client())

    def register(self, name: str, text: str) -> None:
        """Write a registration file."""
        (self.folder / f"{name}.toml").write_text(text, encoding="utf-8")

    def events(self, kind: str) -> list[tuple[str, str]]:
        """Return subject and reason of the events of a kind, oldest first."""
        with self.raw.lend() as raw:
            rows = raw.all("SELECT subject, reason FROM event_pending WHERE kind = ? ORDER BY at, event_id", (kind,))
        return [(subject, reason) for subject, reason in rows]


@dataclass
class Browser:
    """What a person does at the sign-on service."""

    client: FlaskClient

    def open(self, path: str, **query: str) -> TestResponse:
        """Follow a link."""
        return self.client.get(path, query_string=query)

    def form(self, **query: str) -> dict[str, str]:
        """Return the hidden fields of the sign-in form."""
        return hidden_fields(self.open("/cas/login", **query).text)

    def sign_in(
        self, username: str, password: str, fields: Mapping[str, str] | None = None, **query: str
    ) -> TestResponse:
        """Fill in the form and send it."""
        data = {**self.form(**query), "username": username, "password": password, **(fields or {})}
        return self.client.post("/cas/login", data=data)

    def ticket(self, service: str, **query: str) -> str:
        """Return the ticket that a signed-in browser is sent to `service` with."""
        return ticket_in(self.open("/cas/login", service=service, **query))


def hidden_fields(page: str) -> dict[str, str]:
    """Return the hidden fields of a page."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: value.replace("&amp;", "&") for name, value in found}


def ticket_in(response: TestResponse) -> str:
    """Return the ticket of a redirect."""
    assert response.status_code in (302, 303), response.text
    return parse_qs(urlsplit(response.headers["Location"]).query)["ticket"][-1]


@contextmanager
def build_sign_on(
    databases: Databases,
    keys: Keys,
    clock: Clock,
    slapd: PrivateSlapd,
    folder: Path,
    sso: SsoSettings | None = None,
    web: WebSettings | None = None,
    compiled: Path | None = None,
    outgoing: Outgoing | None = None,
    *,
    fast_path: bool = True,
) -> Iterator[SignOn]:
    """Yield the service; the demo's loopback registration is there.

    Shape:   compiled: a folder that keeps compiled templates from one service to the next
             outgoing: an HTTP client other than our own
             fast_path: with the hot path in front of Flask, as shipped
    """
    folder.mkdir(exist_ok=True)
    (folder / "loopback.toml").write_text(LOOPBACK, encoding="utf-8")
    web, sso, cas, people = web or WebSettings(base_url=BASE_URL), sso or SsoSettings(), CasSettings(), PeopleSettings()
    raw = open_raw(databases)
    directory = Directory(LdapServer(slapd.url), slapd.service_dn("signin"), slapd.password("signin"))
    registered = RegisteredApplications([folder], [], clock)
    outgoing = outgoing or Outgoing()
    sign_out = SignOutService(raw, {"cas": CasLogoutSender(registered, outgoing, clock)}, clock)
    throttle = LoginThrottle(raw, sso, clock)
    limiter = ConcurrencyLimiter(sso.parallel_checks, sso.waiting_checks, sso.check_wait_s)
    check = PasswordCheck(databases, raw, directory, slapd.settings, people, clock, throttle, limiter)
    service = SignOnService(raw, sso, clock, SessionCookie(web.is_https), check, sign_out, throttle)
    captcha = Captcha(keys.derive("captcha").hex(), sso.captcha_cost, sso.captcha_steps)
    values = PersonValues.over(databases.identity, people)
    tickets = TicketService(raw, registered, cas, values, keys, outgoing, clock, ZoneInfo("Europe/Warsaw"))
    app = new_flask("eStudent", web, UniversitySettings(), keys.web_secrets(), clock, "idp_form")
    if compiled is not None:
        app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    login_tickets = LoginTickets(raw, keys.derive("login ticket"), clock, sso.login_ticket_s)
    login_page = LoginPage(service, login_tickets, captcha, web.base_url, people.mail_domain, "/account/new")
    app.register_blueprint(login_page.blueprint())
    app.register_blueprint(blueprint(service, tickets, login_page, web.base_url))
    if fast_path:
        app.wsgi_app = WsgiFastPath(app.wsgi_app, service, tickets, web)  # type: ignore[method-assign] # the way that Flask documents
    try:
        yield SignOn(app, databases, raw, tickets, service, login_tickets, registered, sign_out, folder, clock)
    finally:
        sign_out.close()
        directory.close()
        raw.close()


def give_password(slapd: PrivateSlapd, uid: str, password: str, branch: str = "people") -> str:
    """Make an entry with this password and return its DN."""
    dn = f"uid={uid},ou={branch},{slapd.base_dn}"
    manager = Directory(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager"))
    try:
        with suppress(Conflict):  # another test of this worker made it
            manager.add(dn, {"objectClass": ["inetOrgPerson"], "uid": [uid], "cn": ["Test"], "sn": ["Test"]})
        manager.set_password(dn, QUICK.hash(password))
    finally:
        manager.close()
    return dn


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Yield the address of `app` on a free loopback port."""

    def as_behind_a_proxy(environ: dict[str, Any], start_response: Any) -> Any:
        environ["HTTP_HOST"] = urlsplit(BASE_URL).netloc
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, as_behind_a_proxy, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Application:
    """An application's server: keeps what it is sent, and answers with `status`. With `tls` it speaks https."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status = 200
        self.before_answer: Callable[[], None] = lambda: None
        self.requests: list[tuple[str, str, bytes]] = []  # method, path with query, body
        application = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._note(b"")

            def do_POST(self) -> None:
                self._note(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _note(self, body: bytes) -> None:
                application.requests.append((self.command, self.path, body))
                application.before_answer()
                self.send_response(application.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_parts: Any) -> None:
                """Keep the terminal clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> "Application":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def silent_port() -> socket.socket:
    """Return a socket that takes connections and never answers."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    return listener
