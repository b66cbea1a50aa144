"""Failure pages: what happened, what to do next, and a reference number.

The only table from our errors to HTTP statuses is here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError

from idp.clock import Clock
from idp.errors import (
    Conflict,
    IdpError,
    InputTooLong,
    InvalidInput,
    NotFound,
    Refused,
    RefusedSource,
    StoreUnavailable,
    TargetError,
    TargetUnavailable,
    TooManyAttempts,
    UnsafePlan,
)
from idp.web.languages import page_path

STATUSES: dict[type[IdpError], int] = {
    InvalidInput: 400,
    InputTooLong: 413,
    Refused: 403,
    TooManyAttempts: 429,
    NotFound: 404,
    Conflict: 409,
    UnsafePlan: 409,
    RefusedSource: 422,
    StoreUnavailable: 503,
    TargetError: 502,
    TargetUnavailable: 503,
    IdpError: 500,
}
RETRY_AFTER_S = {429: 60, 503: 10}
VISITOR = "idp_visitor"

log = structlog.get_logger(__name__)


class ForeignHost(BadRequest):
    """The request names a host that is not ours."""


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one failure page."""

    title: str
    what: str
    next: str


def status_of(kind: type[IdpError]) -> int:
    """Return the HTTP status of a kind of error: that of its nearest ancestor in the table."""
    return next(STATUSES[one] for one in kind.__mro__ if one in STATUSES)


def answer_failures(app: Flask, clock: Clock, base_url: str) -> None:
    """Add failure pages to `app`, in HTML or as problem+json, whichever the client requests."""

    @app.errorhandler(CSRFError)
    def form_expired(error: CSRFError) -> Response:
        log.info("form refused", why=error.description)
        return _answer(400, "form_expired", _words_of_expired_form(), clock, way_back=_way_back())

    @app.errorhandler(ForeignHost)
    def foreign_host(_error: ForeignHost) -> Response:
        log.info("request refused", why="foreign host")
        return _answer(400, "foreign_host", _words_of_foreign_host(), clock, home_url=f"{base_url}/")

    @app.errorhandler(IdpError)
    def ours(error: IdpError) -> Response:
        status = status_of(type(error))
        log.log(40 if status >= 500 else 20, "request failed", code=error.code, status=status)
        return _answer(status, error.code, words(status), clock)

    @app.errorhandler(InternalServerError)
    def unexpected(_error: InternalServerError) -> Response:
        return _answer(500, "internal", words(500), clock)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response | HTTPException:
        if error.response is not None or error.code is None or error.code < 400:
            return error  # a complete answer: a redirect, an abort with a response
        answer = _answer(error.code, error.name.lower().replace(" ", "_"), words(error.code), clock)
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                answer.headers[name] = value
        return answer


def answer_as(app: Flask, error: IdpError, *kinds: type[Exception]) -> None:
    """Answer exceptions of a library as one of our errors."""

    def translate(exception: Exception) -> ResponseReturnValue:
        log.warning("answered as ours", code=error.code, kind=type(exception).__name__, why=str(exception))
        return app.handle_user_exception(error)

    for kind in kinds:
        app.register_error_handler(kind, translate)


def show_visitor(app: Flask, visitor: Callable[[], Any]) -> None:
    """Also show who is signed in on failure pages: a missing page belongs to no blueprint."""
    app.extensions[VISITOR] = visitor


def _visitor(status: int) -> Any:
    """Return who is signed in, for the top bar; None after a failure of ours, because finding out could fail too."""
    visitor = current_app.extensions.get(VISITOR)
    return visitor() if visitor is not None and status < 500 else None


def _answer(status: int, code: str, texts: Words, clock: Clock, way_back: str = "", home_url: str = "/") -> Response:
    correlation_id = str(structlog.contextvars.get_contextvars().get("correlation_id", ""))
    visitor = _visitor(status)
    if status == 403 and visitor is not None and visitor.name:
        texts = Words(texts.title, _("Your account has no access to it."), _("Go to the home page."))
    if wants_json():
        response = _problem(status, code, texts, correlation_id)
    else:
        page = render_template(
            "error.html",
            status=status,
            words=texts,
            correlation_id=correlation_id,
            at=clock.now(),
            way_back=way_back,
            home_url=home_url,
            **({"visitor": visitor} if visitor is not None else {}),
        )
        response = Response(page, status)
    if status in RETRY_AFTER_S:
        response.headers["Retry-After"] = str(RETRY_AFTER_S[status])
    return response


def _problem(status: int, code: str, texts: Words, correlation_id: str) -> Response:
    """Return a failure for programs.

    Source:  RFC 9457, problem details
    """
    problem = {
        "type": "about:blank",
        "title": texts.title,
        "status": status,
        "detail": f"{texts.what} {texts.next}",
        "code": code,
        "correlation_id": correlation_id,
    }
    response = Response(status=status, content_type="application/problem+json")
    response.set_data(json.dumps(problem, ensure_ascii=False))
    return response


def wants_json() -> bool:
    """Return whether the client prefers JSON to a page."""
    wishes = request.accept_mimetypes
    best = wishes.best_match(["text/html", "application/json", "application/problem+json"], "text/html")
    return best != "text/html" and wishes[best] > wishes["text/html"]


def words(status: int) -> Words:
    """Return title, explanation and next step for a status, in the reader's language."""
    match status:
        case 400 | 422:
            return Words(
                _("We couldn't process your request"),
                _("Something was missing or in the wrong format."),
                _("Go back, check what you entered and try again."),
            )
        case 401 | 403:
            return Words(
                _("You don't have access to this page"),
                _("Your account has no access to it, or you are not signed in."),
                _("Sign in again, or go to the home page."),
            )
        case 404 | 410:
            return Words(
                _("Page not found"),
                _("The address may contain a typo, or the link may have expired or already been used."),
                _("Check the address, or start from the home page."),
            )
        case 405:
            return Words(
                _("This page can't be opened directly"),
                _("You can only get there by submitting a form on another page."),
                _("Start from the home page and follow the links there."),
            )
        case 409:
            return Words(
                _("Something changed in the meantime"),
                _("Somebody else was faster, or the data changed while the page was open."),
                _("Go back, reload the page and repeat what you did."),
            )
        case 413:
            return Words(
                _("That was too much data"),
                _("You sent more data than this page accepts."),
                _("Shorten it and try again."),
            )
        case 429:
            return Words(
                _("Too many attempts"),
                _("To protect accounts, we limit the number of attempts."),
                _("Wait a minute, then try again."),
            )
        case 502 | 503 | 504:
            return Words(
                _("The service is busy or under maintenance"),
                _("Part of our system didn't respond in time. Nothing you entered was saved."),
                _("Try again in a few minutes."),
            )
        case _ if status < 500:
            return Words(
                _("That didn't work"),
                _("The server couldn't handle this request."),
                _("Go back and try again, or start from the home page."),
            )
        case _:
            return Words(
                _("Something went wrong on our side"),
                _("It isn't your fault, and the error has been recorded."),
                _("Try again in a few minutes. If it happens again, give us the reference number below."),
            )


def _words_of_expired_form() -> Words:
    return Words(
        _("This form is no longer valid"),
        _("The page was open for too long, or your browser doesn't accept our cookie. Nothing was changed."),
        _("Open the page again and submit the form once more. If it happens again, allow cookies for this site."),
    )


def _words_of_foreign_host() -> Words:
    return Words(
        _("This is not the address of this service"),
        _("The address in your request doesn't belong to this service."),
        _("Open the service at its own address."),
    )


def _way_back() -> str:
    """Return the page of the refused form, if it can be opened. It is on this host."""
    path, query = page_path(), request.query_string.decode("latin-1")
    return f"{path}?{query}" if path and query else path
