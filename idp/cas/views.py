"""/cas/login and /cas/logout: pages for people. The endpoints for programs are in validation_views.py."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from idp.applications.files import Application
from idp.applications.unregistered import journal_unregistered
from idp.applications.urls import as_ascii
from idp.cas.login import LoginRequest, Method, RepeatedParameter, Step, is_own_origin, next_step, read_request, single
from idp.cas.login_tickets import LoginTickets
from idp.cas.tickets import TicketService
from idp.cas.urls import with_ticket
from idp.cas.validation_views import add_validation_views
from idp.errors import InvalidServiceUrl, TargetUnavailable
from idp.sso.captcha import Captcha, is_code, new_code, picture, sound
from idp.sso.concurrency import TooBusy
from idp.sso.login_throttle import CaptchaDue, TooSoon
from idp.sso.session_queries import LiveSession
from idp.sso.sign_in import RefusedSignIn
from idp.sso.sign_on import SignOnService
from idp.sso.sign_out import Outcome
from idp.web.headers import KEPT_NOWHERE, allow_form_targets
from idp.web.languages import current_language
from idp.web.plumbing import add_assets, exempt_from_csrf

RETRY_AFTER_S, BUSY_RETRY_AFTER_S = 30, 5
STATIC = Path(__file__).parent / "static"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """A request to /login whose application, if it names one, was found."""

    request: LoginRequest
    application: Application | None


def blueprint(
    door: SignOnService,
    desk: TicketService,
    login_tickets: LoginTickets,
    captcha: Captcha,
    base_url: str,
    new_account_url: str = "",
) -> Blueprint:
    """Return the CAS pages at /cas.

    Shape:   base_url: the origin whose forms we take, without a slash; new_account_url: "" leaves the link out
    """
    pages = _Pages(door, desk, login_tickets, captcha, base_url, new_account_url)
    cas = Blueprint("cas", __name__, url_prefix="/cas", template_folder="templates")
    cas.record_once(lambda state: add_assets(state.app, STATIC))  # type: ignore[arg-type] # state.app is our Flask
    # The sign-in form has its own one-time ticket, kept on the server, and judges Origin; see is_own_origin.
    cas.record_once(lambda state: exempt_from_csrf(state.app, cas))  # type: ignore[arg-type] # state.app is our Flask
    cas.add_url_rule("/", "start", lambda: redirect(url_for("cas.login"), 303))
    cas.add_url_rule("/login", "login", pages.login, methods=["GET", "POST"])
    cas.add_url_rule("/logout", "logout", pages.logout, methods=["GET", "POST"])
    cas.add_url_rule("/captcha.wav", "captcha_sound", pages.captcha_sound)
    add_validation_views(cas, desk, urlsplit(base_url).hostname or "idp")
    return cas


class _Pages:
    def __init__(
        self,
        door: SignOnService,
        desk: TicketService,
        login_tickets: LoginTickets,
        captcha: Captcha,
        base_url: str,
        new_account_url: str,
    ) -> None:
        self._door = door
        self._desk = desk
        self._login_tickets = login_tickets
        self._captcha = captcha
        self._base_url = base_url
        self._new_account_url = new_account_url
        self._unregistered = journal_unregistered(desk.raw_store, desk.clock)

    # --- /login -----------------------------------------------------------------------------------------------------

    def login(self) -> ResponseReturnValue:
        """GET asks for credentials or hands on a ticket; POST accepts credentials, or the answer to a warning."""
        try:
            wish = self._wish()
        except RepeatedParameter:
            return _page("unreadable.html", 400)
        except InvalidServiceUrl as error:
            log.info("address refused", why=str(error))
            self._unregistered.note(read_request(_values(request.args), _values(request.form)).service_url)
            return _page("not_registered.html", 403)
        if request.method == "POST" and ("username" in request.form or "proceed" in request.form):
            return self._accept(wish)
        return self._requested(wish, self._door.current_session(request))

    def _wish(self) -> Wish:
        asked = read_request(_values(request.args), _values(request.form))
        application = self._desk.application_for(asked.service_url)[0] if asked.service_url else None
        return Wish(asked, application)

    def _requested(self, wish: Wish, session: LiveSession | None) -> ResponseReturnValue:
        warns = session is not None and session.warns
        match next_step(wish.request, has_session=session is not None, session_warns=warns):
            case Step.FORM:
                return self._form(wish)
            case Step.BACK_WITHOUT_TICKET:
                return _see_other(wish.request.service_url)
            case Step.WARNING:
                return self._warning(wish)
            case Step.SIGNED_IN_PAGE:
                return _page("signed_in.html", session=session)
            case Step.TICKET:
                assert session is not None
                return self._send_on(wish, session, from_new_login=False)

    def _accept(self, wish: Wish) -> ResponseReturnValue:
        if not self._sent_from_our_page():
            return _page("foreign_form.html", 403)
        # Spent before anything else: the same form never works twice, whatever comes of it.
        code = self._login_tickets.take(wish.request.login_ticket)
        fresh = code is not None
        if "proceed" in request.form:
            session = self._door.current_session(request)
            if fresh and session is not None and wish.application is not None and not wish.request.renew:
                return self._send_on(wish, session, from_new_login=False)
            return self._requested(wish, session)
        if code is None:
            return self._form(wish, 400, _("This form was open for too long or was sent twice. Please try again."))
        return self._check(wish, is_person=self._is_person(wish.request.login_ticket, code))

    def _is_person(self, form: str, code: str) -> bool:
        payload, typed = request.form.get("altcha", ""), request.form.get("captcha", "")
        return self._captcha.is_solved(form, payload) or is_code(typed, code)

    def _check(self, wish: Wish, *, is_person: bool) -> ResponseReturnValue:
        """Judge a name and a password; they count only in the body, never in an address."""
        asked = wish.request
        try:
            name = single("username", [_values(request.form)]) or ""
            password = single("password", [_values(request.form)]) or ""
            started = self._door.sign_in(
                request, name, password, warns=asked.warn, remember=asked.remember, is_person=is_person
            )
        except RepeatedParameter:
            return _page("unreadable.html", 400)
        except RefusedSignIn as refusal:
            why = _("Incorrect username or password. Check both and try again.")
            return self._form(wish, 401, why, asks_captcha=refusal.captcha_due)
        except CaptchaDue:
            why = _("Several attempts have failed. Please confirm that you're not a robot and sign in again.")
            return self._form(wish, 401, why, asks_captcha=True)
        except TooSoon as refusal:
            seconds = math.ceil(refusal.wait_s)
            why = ngettext(
                "Too many failed attempts. Wait %(num)d second, then try again.",
                "Too many failed attempts. Wait %(num)d seconds, then try again.",
                seconds,
            )
            return _later(self._form(wish, 429, why), seconds)
        except TooBusy:
            return _later(_page("busy.html", 503), BUSY_RETRY_AFTER_S)
        except TargetUnavailable:
            return _later(_page("unavailable.html", 503), RETRY_AFTER_S)
        session = self._door.find(started)
        if session is None:
            return self._form(wish)
        if wish.application is not None:
            response = self._send_on(wish, session, from_new_login=True)
        else:
            response = _see_other(url_for("cas.login"))
        self._door.give_cookie(response, started, remember=asked.remember)
        return response

    def _send_on(self, wish: Wish, session: LiveSession, *, from_new_login: bool) -> Response:
        """Lead the browser to the application with a fresh ticket, in the way that it asked for."""
        application, url, name = wish.application, wish.request.service_url, wish.request.ticket_parameter
        assert application is not None
        denial_reason = self._desk.denial_reason(application, session.account_id)
        if denial_reason is not None:
            self._desk.deny(session, application, denial_reason)
            if wish.request.gateway:  # the application asked to be left alone with the result
                return _see_other(url)
            return _page(f"{denial_reason}.html", 403, application=application, session=session)
        ticket = self._desk.issue(session, application, url, from_new_login=from_new_login)
        match wish.request.method:
            case Method.POST:
                allow_form_targets(url)
                return _page("post_ticket.html", application=application, url=url, ticket=ticket, parameter=name)
            case Method.HEADER:
                response = Response(status=200)
                response.headers["service"], response.headers["ticket"] = as_ascii(url), ticket
                return response
            case Method.GET:
                return _see_other(with_ticket(url, ticket, name))

    def captcha_sound(self) -> ResponseReturnValue:
        """Speak the code of a picture."""
        code = self._login_tickets.hear(request.args.get("key", ""))
        if code is None:
            return _page("unreadable.html", 404)
        return Response(sound(code, current_language()), content_type="audio/wav")

    def _form(self, wish: Wish, status: int = 200, error: str = "", *, asks_captcha: bool | None = None) -> Response:
        """Show the sign-in form; without `asks_captcha` the browser's record decides."""
        due = self._door.captcha_is_due(request) if asks_captcha is None else asks_captcha
        code = new_code() if due else ""
        ticket = self._login_tickets.give(code)
        return self._ask(
            "login.html",
            wish,
            status,
            ticket=ticket,
            captcha=self._captcha_of(ticket, code) if due else None,
            error=error,
            username=request.form.get("username", ""),
            mail_domain=self._desk.people.mail_domain,
            warn=wish.request.warn,
            # Ticked by the person alone, never by a link that led here (CAS 3.0.3, 4.1.1).
            remember="rememberMe" in request.form,
            offers_to_remember=self._door.settings.remember_me,
            new_account_url=self._new_account_url,
        )

    def _captcha_of(self, ticket: str, code: str) -> Mapping[str, str]:
        return {
            "challenge": self._captcha.challenge(ticket),
            "picture": picture(code),
            "sound": url_for("cas.captcha_sound", key=self._login_tickets.let_hear(code)),
        }

    def _warning(self, wish: Wish) -> Response:
        return self._ask("warning.html", wish, 200, ticket=self._login_tickets.give())

    def _ask(self, template: str, wish: Wish, status: int, ticket: str, **values: Any) -> Response:
        """Show a form with a one-time ticket; its answer may lead to the application, and nowhere else."""
        carried = wish.request.carried
        if wish.application is not None:
            allow_form_targets(wish.request.service_url)
        return _page(
            template,
            status,
            application=wish.application,
            host=urlsplit(wish.request.service_url).hostname or "",
            carried=carried,
            # In the address too, so that the language switch still knows the application after a failed try.
            action=url_for("cas.login") + (f"?{urlencode(carried)}" if carried else ""),
            login_ticket=ticket,
            **values,
        )

    def _sent_from_our_page(self) -> bool:
        own = (self._base_url, request.host_url.rstrip("/"))
        return is_own_origin(request.headers.get("Origin", ""), request.headers.get("Sec-Fetch-Site", ""), own)

    # --- /logout ----------------------------------------------------------------------------------------------------

    def logout(self) -> ResponseReturnValue:
        """End the session, tell the applications, and lead on only to a registered application."""
        session = self._door.current_session(request)
        outcomes = self._door.sign_out(session) if session is not None else []
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
        self._door.cookie.take_back(response)
        return response

    def _registered(self, parameter: str) -> str:
        """Return the address in a parameter if a registered application has it, or nothing."""
        try:
            text = single(parameter, [_values(request.values)]) or ""
            if text:
                self._desk.application_for(text)
        except (RepeatedParameter, InvalidServiceUrl):
            return ""
        return text

    def _named(self, outcomes: Sequence[Outcome]) -> list[tuple[Mapping[Any, str], bool]]:
        """Return each application's name once, and whether all of its logouts were confirmed."""
        by_id = self._desk.applications.current().by_id
        confirmed: dict[str, bool] = {}
        for outcome in outcomes:
            confirmed[outcome.application] = confirmed.get(outcome.application, True) and outcome.is_confirmed
        return [(by_id[id_].name, done) for id_, done in confirmed.items() if id_ in by_id]


def _values(source: MultiDict[str, str]) -> dict[str, list[str]]:
    return source.to_dict(flat=False)


def _page(template: str, status: int = 200, **values: Any) -> Response:
    return Response(render_template(f"cas/{template}", **values), status)


def _later(response: Response, seconds: int) -> Response:
    response.headers["Retry-After"] = str(seconds)
    return response


def _see_other(url: str) -> Response:
    """303: whatever came in, a GET goes out, and the credentials stay here."""
    response = Response(status=303)
    # Set as it is: a rewritten service URL would no longer be the one that the ticket is bound to.
    response.autocorrect_location_header = False
    response.headers["Location"] = as_ascii(url)
    response.headers.extend(KEPT_NOWHERE)
    return response
