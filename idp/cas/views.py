"""/cas/login and /cas/logout: pages for people. The endpoints for programs are in validation_views.py.

The forms of /cas/login belong to idp.sso.login_page. Here the protocol's parameters are read, and tickets are sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from idp.applications.files import Application
from idp.applications.unregistered import journal_unregistered
from idp.applications.urls import as_ascii
from idp.cas.login import LoginRequest, Method, Next, RepeatedParameter, read_request, single, what_is_next
from idp.cas.tickets import DenialReason, TicketService
from idp.cas.urls import with_ticket
from idp.cas.validation_views import add_validation_views
from idp.errors import InvalidServiceUrl
from idp.sso.login_page import LoginPage, SignedIn, SignIn
from idp.sso.login_page import page as sso_page
from idp.sso.session_queries import LiveSession
from idp.sso.sign_on import SignOnService
from idp.sso.sign_out import Outcome
from idp.web.headers import allow_form_targets
from idp.web.plumbing import add_assets, exempt_from_csrf

STATIC = Path(__file__).parent / "static"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FoundRequest:
    """A request to /login whose application, if it names one, was found."""

    request: LoginRequest
    application: Application | None

    @property
    def sign_in(self) -> SignIn:
        """What the forms of signing in need to know."""
        asked = self.request
        return SignIn(
            application=self.application,
            action=url_for("cas.login"),
            carried=asked.carried,
            host=urlsplit(asked.service_url).hostname or "",
            form_target=asked.service_url if self.application else "",
            warns=asked.warn,
            remembers=asked.remember,
        )


def blueprint(sign_on: SignOnService, ticket_service: TicketService, login_page: LoginPage, base_url: str) -> Blueprint:
    """Return the CAS pages at /cas.

    Shape:   base_url: the origin that answers name as their issuer, without a slash
    """
    pages = _Pages(sign_on, ticket_service, login_page)
    cas = Blueprint("cas", __name__, url_prefix="/cas", template_folder="templates")
    cas.record_once(lambda state: add_assets(state.app, STATIC))  # type: ignore[arg-type] # state.app is our Flask
    # The forms have one-time tickets of their own, and LoginPage judges Origin.
    cas.record_once(lambda state: exempt_from_csrf(state.app, cas))  # type: ignore[arg-type] # state.app is our Flask
    cas.add_url_rule("/", "start", lambda: redirect(url_for("cas.login"), 303))
    cas.add_url_rule("/login", "login", pages.login, methods=["GET", "POST"])
    cas.add_url_rule("/logout", "logout", pages.logout, methods=["GET", "POST"])
    add_validation_views(cas, ticket_service, urlsplit(base_url).hostname or "idp")
    return cas


class _Pages:
    def __init__(self, sign_on: SignOnService, ticket_service: TicketService, login_page: LoginPage) -> None:
        self._sign_on = sign_on
        self._tickets = ticket_service
        self._login_page = login_page
        self._unregistered = journal_unregistered(ticket_service.raw_store, ticket_service.clock)

    # --- /login -----------------------------------------------------------------------------------------------------

    def login(self) -> ResponseReturnValue:
        """GET asks for credentials or sends a ticket. POST takes credentials, or the answer to a warning."""
        try:
            found = self._find()
        except RepeatedParameter:
            return sso_page("unreadable.html", 400)
        except InvalidServiceUrl as error:
            log.info("address refused", why=str(error))
            self._unregistered.note(read_request(_values(request.args), _values(request.form)).service_url)
            return _page("not_registered.html", 403)
        if self._login_page.is_answer():
            return self._answered(found)
        return self._requested(found, self._sign_on.current_session(request))

    def _find(self) -> FoundRequest:
        asked = read_request(_values(request.args), _values(request.form))
        application = self._tickets.application_for(asked.service_url)[0] if asked.service_url else None
        return FoundRequest(asked, application)

    def _requested(self, found: FoundRequest, session: LiveSession | None) -> ResponseReturnValue:
        match what_is_next(found.request, found.application, session):
            case Next.FORM:
                return self._login_page.ask_credentials(found.sign_in)
            case Next.BACK_WITHOUT_TICKET:
                return _see_other(found.request.service_url)
            case Next.WARNING:
                return self._login_page.ask_before_application(found.sign_in)
            case Next.SIGNED_IN_PAGE:
                return _page("signed_in.html", session=session)
            case Next.TICKET | Next.DENIAL:
                assert session is not None
                return self._send_on(found, session, from_new_login=False)

    def _answered(self, found: FoundRequest) -> ResponseReturnValue:
        foreign = self._login_page.refuse_foreign()
        if foreign is not None:
            return foreign
        if self._login_page.answers_warning():
            is_confirmed = self._login_page.is_confirmed(found.request.login_ticket)
            session = self._sign_on.current_session(request)
            if is_confirmed and session is not None and found.application is not None and not found.request.renew:
                return self._send_on(found, session, from_new_login=False)
            return self._requested(found, session)
        signed_in = self._login_page.check_credentials(found.sign_in, found.request.login_ticket)
        if not isinstance(signed_in, SignedIn):
            return signed_in
        if found.application is not None:
            response = self._send_on(found, signed_in.session, from_new_login=True)
        else:
            response = _see_other(url_for("cas.login"))
        return self._login_page.finish(response, signed_in)

    def _send_on(self, found: FoundRequest, session: LiveSession, *, from_new_login: bool) -> Response:
        """Lead the browser to the application with a fresh ticket, in the way that it asked for."""
        application, url, name = found.application, found.request.service_url, found.request.ticket_parameter
        assert application is not None
        denial_reason = self._tickets.denial_reason(application, session)
        if denial_reason is not None:
            self._tickets.deny(session, application, denial_reason)
            if found.request.gateway:  # the application asked to get the person back in any case
                return _see_other(url)
            if denial_reason is DenialReason.SECOND_FACTOR:
                return self._login_page.refuse_second_factor(application)
            return _page("no_name.html", 403, application=application)
        ticket = self._tickets.issue(session, application, url, from_new_login=from_new_login)
        match found.request.method:
            case Method.POST:
                allow_form_targets(url)
                return _page("post_ticket.html", application=application, url=url, ticket=ticket, parameter=name)
            case Method.HEADER:
                response = Response(status=200)
                response.headers["service"], response.headers["ticket"] = as_ascii(url), ticket
                return response
            case Method.GET:
                return _see_other(with_ticket(url, ticket, name))

    # --- /logout ----------------------------------------------------------------------------------------------------

    def logout(self) -> ResponseReturnValue:
        """End the session, tell the applications, and lead on only to a registered application."""
        session = self._sign_on.current_session(request)
        outcomes = self._sign_on.sign_out(session) if session is not None else []
        service_url = self._registered("service")
        if service_url:
            response = _see_other(service_url)
        else:
            response = _page(
                "signed_out.html",
                applications=self._named(outcomes),
                link=self._registered("url"),
                was_signed_in=session is not None,
            )
        self._sign_on.clear_cookie(response)
        return response

    def _registered(self, parameter: str) -> str:
        """Return the address in a parameter if a registered application has it, or nothing."""
        try:
            text = single(parameter, [_values(request.values)]) or ""
            if text:
                self._tickets.application_for(text)
        except (RepeatedParameter, InvalidServiceUrl):
            return ""
        return text

    def _named(self, outcomes: Sequence[Outcome]) -> list[tuple[Mapping[Any, str], bool]]:
        """Return each application's name once, and whether all of its logouts were confirmed."""
        by_id = self._tickets.applications.current().by_id
        confirmed: dict[str, bool] = {}
        for outcome in outcomes:
            confirmed[outcome.application] = confirmed.get(outcome.application, True) and outcome.is_confirmed
        return [(by_id[id_].name, done) for id_, done in confirmed.items() if id_ in by_id]


def _values(source: MultiDict[str, str]) -> dict[str, list[str]]:
    return source.to_dict(flat=False)


def _page(template: str, status: int = 200, **values: Any) -> Response:
    return Response(render_template(f"cas/{template}", **values), status)


def _see_other(url: str) -> Response:
    """303: whatever came in, a GET goes out, and the credentials stay here."""
    response = Response(status=303)
    # Set as it is: a rewritten service URL would no longer be the one that the ticket is bound to.
    response.autocorrect_location_header = False
    response.headers["Location"] = as_ascii(url)
    return response
