"""What people see when something goes wrong: what happened, what to do next, and a number to quote.

The one table from our errors to HTTP statuses is here.
"""

import json
from dataclasses import dataclass

import structlog
from flask import Flask, Response, render_template, request
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

log = structlog.get_logger(__name__)


class ForeignHost(BadRequest):
    """The request names another host than this service's own."""


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
    """Give `app` its failure pages, in HTML or as problem+json, whichever the client asks for."""

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
            return error  # an answer that somebody made already: a redirect, an abort with a response
        answer = _answer(error.code, error.name.lower().replace(" ", "_"), words(error.code), clock)
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                answer.headers[name] = value
        return answer


def answer_as(app: Flask, error: IdpError, *kinds: type[Exception]) -> None:
    """Answer exceptions of others as one of our errors; for whoever knows what they mean."""

    def translate(exception: Exception) -> ResponseReturnValue:
        log.warning("answered as ours", code=error.code, kind=type(exception).__name__, why=str(exception))
        return app.handle_user_exception(error)

    for kind in kinds:
        app.register_error_handler(kind, translate)


def _answer(status: int, code: str, texts: Words, clock: Clock, way_back: str = "", home_url: str = "/") -> Response:
    correlation_id = str(structlog.contextvars.get_contextvars().get("correlation_id", ""))
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
    """Tell whether the client asked for JSON rather than a page."""
    wishes = request.accept_mimetypes
    best = wishes.best_match(["text/html", "application/json", "application/problem+json"], "text/html")
    return best != "text/html" and wishes[best] > wishes["text/html"]


def words(status: int) -> Words:
    """Return title, explanation and next step for a status, in the reader's language."""
    match status:
        case 400 | 422:
            return Words(
                _("We could not read this request"),
                _("Something in it was missing or had the wrong form."),
                _("Go back, check what you entered and try again."),
            )
        case 401 | 403:
            return Words(
                _("You may not open this page"),
                _("Your account has no access to it, or you are not signed in."),
                _("Sign in again, or return to the front page."),
            )
        case 404 | 410:
            return Words(
                _("There is no such page"),
                _("The address may be mistyped, or a link that you used may be old or already used."),
                _("Check the address, or start from the front page."),
            )
        case 405:
            return Words(
                _("This page cannot be opened in this way"),
                _("It only answers a form on another page."),
                _("Start from the front page and follow the links there."),
            )
        case 409:
            return Words(
                _("Something changed in the meantime"),
                _("Somebody else was first, or the data changed while the page was open."),
                _("Go back, load the page again and repeat what you did."),
            )
        case 413:
            return Words(
                _("That was too much at once"),
                _("What you sent is larger than this page accepts."),
                _("Shorten it and try again."),
            )
        case 429:
            return Words(
                _("Too many tries"),
                _("To protect accounts, we limit how often this can be tried."),
                _("Wait a minute, then try again."),
            )
        case 502 | 503 | 504:
            return Words(
                _("The service is busy or being repaired"),
                _("A part that we need did not answer in time. Nothing that you entered was saved."),
                _("Try again in a few minutes."),
            )
        case _ if status < 500:
            return Words(
                _("This did not work"),
                _("The server could not handle this request."),
                _("Go back and try again, or start from the front page."),
            )
        case _:
            return Words(
                _("Something broke on our side"),
                _("It is not your fault, and it has been recorded."),
                _("Try again in a few minutes. If it happens again, tell us the number below."),
            )


def _words_of_expired_form() -> Words:
    return Words(
        _("This form is no longer valid"),
        _("The page was open for a long time, or your browser does not keep our cookie. Nothing was changed."),
        _("Open the page again and send the form once more. Allow cookies for this site if it happens again."),
    )


def _words_of_foreign_host() -> Words:
    return Words(
        _("This is not the address of this service"),
        _("The request names a host that does not belong to it."),
        _("Open the service at its own address."),
    )


def _way_back() -> str:
    """The page of the refused form, if it can be opened; it is on this host by its nature."""
    path, query = page_path(), request.query_string.decode("latin-1")
    return f"{path}?{query}" if path and query else path
