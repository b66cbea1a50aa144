"""The hot path, in front of Flask: a signed-in browser gets a ticket, an application validates it.

The same functions decide as in views.py and validation_views.py. This module saves the framework's request, context and
response objects, which cost more than the rest. Every other request (no session, a warning, a POST, a parameter sent
twice, a chosen language) goes to Flask, and nothing was done before. The answers are equal to the byte.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

import structlog

from idp.applications.files import Application
from idp.applications.urls import MAX_LENGTH
from idp.cas.login import LoginRequest, Method, Next, RepeatedParameter, read_request, what_is_next
from idp.cas.tickets import TicketService
from idp.cas.urls import with_ticket
from idp.cas.validation import ENDPOINTS, Endpoint, proxy, validate
from idp.errors import InvalidServiceUrl
from idp.sso.sign_on import SignOnService
from idp.web.headers import plain_headers
from idp.web.plumbing import new_correlation_id
from idp.web.settings import WebSettings

StartResponse = Any  # of PEP 3333
WsgiApp = Any

LOGIN, PROXY = "/cas/login", "/cas/proxy"

DEBUGGED = logging.getLogger(__name__)
log = structlog.get_logger(__name__)


class WsgiFastPath:
    """A WSGI application that answers the hot requests itself and passes the others on."""

    def __init__(self, rest: WsgiApp, sign_on: SignOnService, tickets: TicketService, web: WebSettings) -> None:
        self._rest = rest
        self._sign_on = sign_on
        self._tickets = tickets
        self._headers = plain_headers(web)
        self._validators: Mapping[str, Endpoint] = {f"/cas{endpoint.path}": endpoint for endpoint in ENDPOINTS}
        self._cookie = sign_on.cookie.name
        self._own_hosts = web.own_hosts
        self._host_header = "HTTP_X_FORWARDED_HOST" if web.trusted_proxies else "HTTP_HOST"

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        answer: Sequence[bytes] | None = None
        if environ["REQUEST_METHOD"] == "GET" and not environ.get("SCRIPT_NAME") and self._is_for_us(environ):
            try:
                if path == LOGIN:
                    answer = self._login(environ, start_response)
                elif path in self._validators or path == PROXY:
                    answer = self._validate(path, environ, start_response)
            except Exception as error:  # noqa: BLE001 - Flask fails in the same way, and has a page and a log line for it
                log.warning("passed on", rule=path, why=type(error).__name__)
        return self._pass_on(environ, start_response) if answer is None else answer

    def _is_for_us(self, environ: Mapping[str, Any]) -> bool:
        """Return whether the host is ours beyond doubt; where it may not be, Flask decides and refuses."""
        host: str = environ.get(self._host_header) or environ.get("HTTP_HOST", "")
        return host.lower() in self._own_hosts

    def _pass_on(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._rest(environ, start_response)
        return answer

    def _validate(self, path: str, environ: dict[str, Any], start_response: StartResponse) -> Sequence[bytes] | None:
        values = query_of(environ.get("QUERY_STRING", ""))
        if values is None or "lang" in values:
            return None
        if "pgtUrl" in values:  # we ask the application back, and nobody should wait for that
            return None
        number = _begin()
        started = time.perf_counter()
        endpoint = self._validators.get(path)
        with self._tickets.raw_store.exclusive():
            body, content_type = (
                validate(self._tickets, endpoint, [values]) if endpoint else proxy(self._tickets, [values])
            )
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), *self._headers]
        start_response("200 OK", [*headers, ("X-Request-Id", number)])
        _log(path, 200, started)
        return [body]

    def _login(self, environ: dict[str, Any], start_response: StartResponse) -> Sequence[bytes] | None:
        values = query_of(environ.get("QUERY_STRING", ""))
        token = _cookie(environ.get("HTTP_COOKIE", ""), self._cookie)
        if not token or values is None or "lang" in values:
            return None
        found = self._requested(values)
        if found is None:
            return None
        request, application = found
        with self._tickets.raw_store.exclusive():
            return self._ticket(request, application, token, start_response)

    def _ticket(
        self, request: LoginRequest, application: Application, token: str, start_response: StartResponse
    ) -> Sequence[bytes] | None:
        started = time.perf_counter()
        session = self._sign_on.session_of(token)
        if session is None or what_is_next(request, application, session) is not Next.TICKET:
            return None
        if self._tickets.denial_reason(application, session) is not None:
            return None
        number = _begin()
        ticket = self._tickets.issue(session, application, request.service_url, from_new_login=False)
        location = with_ticket(request.service_url, ticket, request.ticket_parameter)
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "0"), ("Location", location)]
        start_response("303 SEE OTHER", [*headers, *self._headers, ("X-Request-Id", number)])
        _log(LOGIN, 303, started)
        return [b""]

    def _requested(self, values: Mapping[str, Sequence[str]]) -> tuple[LoginRequest, Application] | None:
        try:
            request = read_request(values)
            if not request.service_url or request.method is not Method.GET:
                return None
            return request, self._tickets.application_for(request.service_url)[0]
        except (RepeatedParameter, InvalidServiceUrl):
            return None


def query_of(text: str) -> dict[str, list[str]] | None:
    """Return the parameters as Flask reads them (urllib's parse_qs); None for bytes that are no text."""
    values: dict[str, list[str]] = {}
    try:
        for pair in text.split("&"):
            name, _, value = pair.partition("=")
            if pair:
                values.setdefault(_decoded(name), []).append(_decoded(value))
    except ValueError:
        return None
    return values


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    # A service's address comes with every request of its application; longer texts than one are not kept.
    return _kept_decoded(text) if len(text) <= MAX_LENGTH else unquote_plus(text, errors="strict")


@lru_cache(maxsize=512)
def _kept_decoded(text: str) -> str:
    return unquote_plus(text, errors="strict")


def _cookie(header: str, name: str) -> str:
    """Return the first cookie of a name, as Flask does."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def _begin() -> str:
    """Number the request, as idp.web.plumbing does; the journal's events carry the number."""
    number = new_correlation_id()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(correlation_id=number)
    return number


def _log(rule: str, status: int, started: float) -> None:
    """Only where somebody looks: the line would cost a quarter of the request, and the journal has its number."""
    if DEBUGGED.isEnabledFor(logging.DEBUG):
        took_ms = round(1000 * (time.perf_counter() - started), 1)
        log.debug("request", method="GET", rule=rule, status=status, took_ms=took_ms)
