"""Servers that break one rule each: every case of the specification is tried on one of them and must fail there.

A broken server is the real one with a breakage in front of it, which changes what comes in, what goes out or what is
kept; where the server speaks first (proxy callbacks, logouts) its HTTP client is one that breaks the rule.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from werkzeug.wrappers import Response

from idp.drivers.http import Answer, Outgoing
from tests.support.clock import ManualClock
from tests.support.sign_on import SignOn

Environ = dict[str, Any]
Ask = Callable[[Environ], Response]
Handler = Callable[[Environ, Ask, SignOn], Response]
Case = TypeVar("Case", bound=Callable[..., None])

VALIDATION = r"/cas/(p3/)?(validate|serviceValidate|proxyValidate|samlValidate)"


@dataclass(frozen=True)
class Breakage:
    """One broken rule. `make` returns a fresh handler: some remember what they saw."""

    make: Callable[[], Handler] | None = None
    outgoing: Callable[[], Outgoing] = Outgoing

    def install(self, sign_on: SignOn) -> None:
        """Put the breakage in front of a server."""
        if self.make is None:
            return
        handle, inner = self.make(), sign_on.app.wsgi_app

        def ask(environ: Environ) -> Response:
            return Response.from_app(inner, environ, buffered=True)

        def broken(environ: Environ, start: Any) -> Any:
            return handle(environ, ask, sign_on)(environ, start)

        sign_on.app.wsgi_app = broken  # type: ignore[assignment, method-assign] # the way that Flask documents


def broken_by(*breakages: Breakage) -> Callable[[Case], Case]:
    """Name the servers on which a case must fail."""

    def name(case: Case) -> Case:
        case.broken_by = breakages  # type: ignore[attr-defined] # read by conftest.py
        return case

    return name


# --- what comes in --------------------------------------------------------------------------------------------------


def ignores(parameter: str, at: str = ".*") -> Breakage:
    """A parameter has no effect."""
    return Breakage(lambda: lambda environ, ask, _sign_on: ask(_changed(environ, at, {parameter: None})))


def sets(parameter: str, at: str = ".*") -> Breakage:
    """A parameter counts as set whether it was sent or not."""
    return Breakage(lambda: lambda environ, ask, _sign_on: ask(_changed(environ, at, {parameter: "true"})))


def takes(parameter: str, for_: str) -> Breakage:
    """A parameter is read where another one is meant."""

    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        given = dict(_query(environ))
        return ask(_changed(environ, ".*", {for_: given[parameter]} if parameter in given else {}))

    return Breakage(lambda: handle)


def takes_any_case(*parameters: str) -> Breakage:
    """Names of parameters are read in any case, in the query and in the form."""
    plain = {name.lower(): name for name in parameters}

    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        query = [(plain.get(name.lower(), name), value) for name, value in _query(environ)]
        form = [(plain.get(name.lower(), name), value) for name, value in _form(environ)]
        return ask(_with(environ, query, form))

    return Breakage(lambda: handle)


def is_answered_as(path: str, other: str) -> Breakage:
    """An address behaves like another one."""

    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        return ask({**environ, "PATH_INFO": re.sub(f"{path}$", other, environ["PATH_INFO"])})

    return Breakage(lambda: handle)


def forgets_the_session(at: str = "/cas/login") -> Breakage:
    """A browser with a session is nobody."""

    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        is_meant = environ["PATH_INFO"] == at and environ["REQUEST_METHOD"] == "GET"
        return ask({**environ, "HTTP_COOKIE": ""} if is_meant else environ)

    return Breakage(lambda: handle)


def gateway_wins_over_renew() -> Breakage:
    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        gives_way = {"renew": None} if "gateway" in dict(_query(environ)) else {}
        return ask(_changed(environ, "/cas/login", gives_way))

    return Breakage(lambda: handle)


# --- what goes out --------------------------------------------------------------------------------------------------


def says(pattern: str, instead: str | Callable[[int], str], at: str = ".*", where: str = "body") -> Breakage:
    """A text of the answer is another one: in its body, or in the header of that name. A callable gets a number."""

    def make() -> Handler:
        numbers = itertools.count()

        def text(_found: re.Match[str]) -> str:
            assert callable(instead)
            return instead(next(numbers))

        replacement: Any = instead if isinstance(instead, str) else text

        def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
            answer = ask(environ)
            if not re.fullmatch(at, environ["PATH_INFO"]):
                return answer
            if where == "body":
                answer.set_data(re.sub(pattern, replacement, answer.get_data(as_text=True), flags=re.DOTALL))
            else:
                values = [re.sub(pattern, replacement, value) for value in answer.headers.getlist(where)]
                answer.headers.setlist(where, [value for value in values if value])
            return answer

        return handle

    return Breakage(make)


def status(code: int, at: str, only: int | None = None) -> Breakage:
    """Another status, where the right one was `only`."""

    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        answer = ask(environ)
        if re.fullmatch(at, environ["PATH_INFO"]) and only in (None, answer.status_code):
            answer.status_code = code
        return answer

    return Breakage(lambda: handle)


def follows(parameter: str, at: str) -> Breakage:
    """Whatever address comes in leads on."""

    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        given = dict(_query(environ)).get(parameter)
        answer = ask(environ)
        if given is None or environ["PATH_INFO"] != at or "Location" in answer.headers:
            return answer
        return Response(status=303, headers={"Location": re.sub(r"\s", "", given)})

    return Breakage(lambda: handle)


def never_fails(code: str) -> Breakage:
    """What should be refused with this code is a success, a proxy-granting ticket and all."""
    success = (
        '<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas"><cas:authenticationSuccess><cas:user>x</cas:user>'
        "<cas:proxyGrantingTicket>PGTIOU-X</cas:proxyGrantingTicket></cas:authenticationSuccess></cas:serviceResponse>"
    )

    def handle(environ: Environ, ask: Ask, _sign_on: SignOn) -> Response:
        answer = ask(environ)
        return (
            Response(success, mimetype="application/xml")
            if f'code="{code}"' in answer.get_data(as_text=True)
            else answer
        )

    return Breakage(lambda: handle)


# --- what is kept ---------------------------------------------------------------------------------------------------


def spends_nothing() -> Breakage:
    """A ticket is good again and again."""

    def handle(environ: Environ, ask: Ask, sign_on: SignOn) -> Response:
        if not re.fullmatch(VALIDATION, environ["PATH_INFO"]):
            return ask(environ)
        return _restoring(sign_on, ["ticket"], lambda: ask(environ))

    return Breakage(lambda: handle)


def spends_no_form() -> Breakage:
    """A login ticket is good again and again."""

    def handle(environ: Environ, ask: Ask, sign_on: SignOn) -> Response:
        return _restoring(sign_on, ["used_login_ticket"], lambda: ask(environ))

    return Breakage(lambda: handle)


def lets_nothing_grow_old() -> Breakage:
    """Tickets never expire: at every validation it is as early as it ever was."""

    def make() -> Handler:
        earliest: list[Any] = []

        def handle(environ: Environ, ask: Ask, sign_on: SignOn) -> Response:
            clock = sign_on.clock
            assert isinstance(clock, ManualClock)
            earliest.append(clock.now())
            clock.set(min(earliest))
            return ask(environ)

        return handle

    return Breakage(make)


def keeps_the_session(*tables: str) -> Breakage:
    """Signing out says so, and leaves these rows where they were."""

    def handle(environ: Environ, ask: Ask, sign_on: SignOn) -> Response:
        if environ["PATH_INFO"] != "/cas/logout":
            return ask(environ)
        return _restoring(sign_on, tables, lambda: ask(environ))

    return Breakage(lambda: handle)


def tells_nobody() -> Breakage:
    """Applications do not hear of the end of a session."""

    def handle(environ: Environ, ask: Ask, sign_on: SignOn) -> Response:
        if environ["PATH_INFO"] == "/cas/logout":
            with sign_on.raw.lend() as raw:
                raw.run("DELETE FROM session_application")
        return ask(environ)

    return Breakage(lambda: handle)


# --- what the server sends ------------------------------------------------------------------------------------------


class _Changing(Outgoing):
    """An HTTP client that changes what it sends."""

    def __init__(self, change: Callable[[str], str], body: Callable[[str], str]) -> None:
        super().__init__()
        self._change, self._body = change, body

    def get(self, url: str) -> Answer:
        return super().get(self._change(url))

    def post_form(self, url: str, fields: Mapping[str, str]) -> Answer:
        return super().post_form(self._change(url), {name: self._body(value) for name, value in fields.items()})


class _Believing(Outgoing):
    """An HTTP client that takes every callback for confirmed."""

    def get(self, url: str) -> Answer:
        return Answer(200, b"")


def calls(pattern: str, instead: str) -> Breakage:
    """Addresses that the server calls are changed."""
    return Breakage(outgoing=lambda: _Changing(lambda url: re.sub(pattern, instead, url), lambda body: body))


def posts(pattern: str, instead: str) -> Breakage:
    """Logout documents are changed."""
    return Breakage(outgoing=lambda: _Changing(lambda url: url, lambda body: re.sub(pattern, instead, body)))


def believes_every_callback() -> Breakage:
    return Breakage(outgoing=_Believing)


# --- helpers --------------------------------------------------------------------------------------------------------


def _query(environ: Environ) -> list[tuple[str, str]]:
    return parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)


def _form(environ: Environ) -> list[tuple[str, str]]:
    if not environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return []
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return parse_qsl(body.decode(), keep_blank_values=True)


def _with(environ: Environ, query: list[tuple[str, str]], form: list[tuple[str, str]]) -> Environ:
    changed = {**environ, "QUERY_STRING": urlencode(query, quote_via=quote)}
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = urlencode(form).encode()
        changed |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return changed


def _changed(environ: Environ, at: str, parameters: Mapping[str, str | None]) -> Environ:
    """Return the request with parameters set, or left out where the value is None."""
    if not parameters or not re.fullmatch(at, environ["PATH_INFO"]):
        return environ
    query = [(name, value) for name, value in _query(environ) if name not in parameters]
    form = [(name, value) for name, value in _form(environ) if name not in parameters]
    query += [(name, value) for name, value in parameters.items() if value is not None]
    return _with(environ, query, form)


def _restoring(sign_on: SignOn, tables: Sequence[str], work: Callable[[], Response]) -> Response:
    """Do the work and put the rows back that it took away."""
    with sign_on.raw.lend() as raw:
        before = {table: raw.all(f"SELECT * FROM {table}") for table in tables}  # noqa: S608 - our own tables
    answer = work()
    with sign_on.raw.lend() as raw:
        for table, rows in before.items():
            there = set(raw.all(f"SELECT * FROM {table}"))  # noqa: S608 - our own tables
            for row in rows:
                if row not in there:
                    raw.run(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - as above
    return answer
