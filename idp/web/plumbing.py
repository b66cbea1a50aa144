"""Build the Flask application of all our pages.

It gives a blueprint: CSRF protection of every POST (`{{ csrf() }}` in the form), headers, languages, failure
pages, a correlation id per request, `base.html` and `macros.html`. A view that needs an exception calls:
`allow_form_targets` (idp.web.headers), `exempt_from_csrf` below.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from flask import Blueprint, Flask, Request, Response, g, request
from flask_wtf.csrf import CSRFProtect
from jinja2 import StrictUndefined
from werkzeug.formparser import FormDataParser
from werkzeug.middleware.proxy_fix import ProxyFix

from idp.clock import Clock
from idp.text import require_short
from idp.web.assets import ASSETS, Assets
from idp.web.bodies import limit_bodies
from idp.web.compression import compress
from idp.web.failures import ForeignHost, answer_failures
from idp.web.headers import send_headers
from idp.web.languages import speak
from idp.web.settings import UniversitySettings, WebSettings
from idp.web.well_known import well_known

MAX_REQUEST_BYTES = 256 * 1024
MAX_FORM_FIELDS = 200
MAX_FIELD_CHARS = 4096  # our longest field is a service URL of 2,048, or a logout message

# No vowels and no look-alikes: people read this number out on the phone.
_ALPHABET = b"23456789bcdfghjkmnpqrstvwxz"
# Chosen by a random byte. Some letters are a little more frequent, which is harmless: the number is no secret.
_LETTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))

log = structlog.get_logger(__name__)


def new_flask(
    name: str,
    web: WebSettings,
    university: UniversitySettings,
    secret_keys: Sequence[str | bytes],
    clock: Clock,
    cookie_name: str,
) -> Flask:
    """Return an application without pages of its own, ready for blueprints.

    Shape:   name: what people call it, shown in the top bar ("eStudent"); a lazy translation is welcome
             secret_keys: the newest first; older ones still open cookies that are out
             cookie_name: of Flask's signed cookie, which holds form state and messages only; `__Host-` over https
    """
    app = _Application("idp.web", static_folder=None, template_folder=str(Path(__file__).parent / "templates"))
    app.config.update(
        SECRET_KEY=secret_keys[0],
        SECRET_KEY_FALLBACKS=list(secret_keys[1:]),
        SESSION_COOKIE_NAME=f"__Host-{cookie_name}" if web.is_https else cookie_name,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=web.is_https,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
        MAX_FORM_PARTS=MAX_FORM_FIELDS,
        # A form is valid as long as the browser's session, so that slow readers are not refused.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.url_map.strict_slashes = False  # people type a trailing slash
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    _number_requests(app)  # first: everything after it may fail and needs the number
    _refuse_foreign_hosts(app, web)
    # Half of the threads are kept for requests without a body: pages, tickets, health checks.
    limit_bodies(app, max(1, web.blocking_threads // 2), MAX_REQUEST_BYTES)
    CSRFProtect(app)
    speak(app, university, web.is_https)
    send_headers(app, web)
    answer_failures(app, clock, web.base_url)
    compress(app)
    app.register_blueprint(well_known(web, clock))
    _dress(app, name, university)
    if web.trusted_proxies:
        hops = web.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign] # the way that Flask documents
    return app


class _LimitedFormParser(FormDataParser):
    """Werkzeug's parser, which limits a form as a whole, with a limit for each field."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """Return the parsed form. Raises: InputTooLong."""
        stream, form, files = super().parse(*args, **kwargs)
        for name, value in form.items(multi=True):
            require_short(name, MAX_FIELD_CHARS)
            require_short(value, MAX_FIELD_CHARS)
        return stream, form, files


class _Request(Request):
    form_data_parser_class = _LimitedFormParser


class _Application(Flask):
    """Flask with two changes: form fields are limited, and the log line of an error never contains the path."""

    request_class = _Request

    def log_exception(self, exc_info: Any) -> None:
        """Log the rule and the trace, not the path: the path of an invitation is a secret."""
        log.error("unhandled error", rule=request.url_rule.rule if request.url_rule else "-", exc_info=exc_info)


def add_assets(app: Flask, folder: Path) -> None:
    """Serve the files of a package's folder as assets: `asset_url("name.js")` in its templates."""
    assets: Assets = app.extensions[ASSETS]
    assets.add_folder(folder)


def exempt_from_csrf(app: Flask, what: Blueprint | Callable[..., Any]) -> None:
    """Accept POSTs without a form token in a view or a blueprint: for programs, never where a cookie signs in."""
    app.extensions["csrf"].exempt(what)


def _dress(app: Flask, name: str, university: UniversitySettings) -> None:
    """Set the template globals of the layout. They are globals so that imported macros see them too."""
    assets = app.extensions[ASSETS] = Assets(university)
    app.register_blueprint(assets.blueprint())
    app.jinja_env.globals.update(
        application_name=name,
        university=university,
        asset_url=assets.url,
        has_page=lambda endpoint: endpoint in app.view_functions,
    )


def _number_requests(app: Flask) -> None:
    """Bind a new correlation id to each request. A client's X-Request-Id is ignored."""

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.correlation_id = new_correlation_id()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=g.correlation_id)

    @app.after_request
    def end(response: Response) -> Response:
        if correlation_id := g.get("correlation_id"):
            response.headers["X-Request-Id"] = correlation_id
        # The rule, not the path or query: those may contain a ticket or a one-time link.
        rule = request.url_rule.rule if request.url_rule else "-"
        took_ms = round(1000 * (time.perf_counter() - g.get("started", time.perf_counter())), 1)
        emit = log.debug if request.blueprint == "assets" else log.info
        emit("request", method=request.method, rule=rule, status=response.status_code, took_ms=took_ms)
        return response


def _refuse_foreign_hosts(app: Flask, web: WebSettings) -> None:
    """Answer only requests whose host is this service.

    Flask's redirects and the check of a form's origin use the host of the request. Health checks may use any host,
    because their answer names none.
    """
    own_hosts = web.own_hosts

    @app.before_request
    def refuse() -> None:
        if request.blueprint != "health" and request.host.lower() not in own_hosts:
            raise ForeignHost


def new_correlation_id() -> str:
    """Return a new reference number for a request.

    Shape:   "k3f9-7qzm-2x8w"
    """
    letters = os.urandom(12).translate(_LETTERS).decode("ascii")
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"
