"""The login page: name and password, the CAPTCHA, the warning before an application. The protocols show it.

A protocol says what somebody signs in for (`SignIn`). It gets back a page to show, or the session.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from idp.applications.files import Application
from idp.errors import TargetUnavailable
from idp.sso.captcha import Captcha, is_code, new_code, picture, sound
from idp.sso.concurrency import TooBusy
from idp.sso.cookie import PreSessionCookie
from idp.sso.login_throttle import CaptchaDue, TooSoon
from idp.sso.login_tickets import LoginTickets
from idp.sso.session_queries import LiveSession
from idp.sso.sign_in import RefusedSignIn
from idp.sso.sign_on import SignOnService
from idp.sso.tokens import short_token
from idp.web.headers import allow_form_targets
from idp.web.languages import current_language
from idp.web.plumbing import add_assets

STATIC = Path(__file__).parent / "static"
RETRY_AFTER_S, BUSY_RETRY_AFTER_S = 30, 5


@dataclass(frozen=True, slots=True)
class SignIn:
    """What somebody signs in for, as a protocol read it from the request."""

    application: Application | None
    action: str  # where the form goes, without a query
    carried: Mapping[str, str]  # what the form and its address carry on
    host: str = ""  # of the application, shown to the person
    form_target: str = ""  # the address that the answer to the form may redirect to
    warns: bool = False  # the person ticked the box
    remembers: bool = False


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody gave a right name and password. `finish` hands the session's cookie over with the answer."""

    session: LiveSession
    token: str
    devices: tuple[str, ...]
    remembers: bool


class LoginPage:
    """Shows the forms of signing in and judges their answers."""

    def __init__(
        self,
        sign_on: SignOnService,
        login_tickets: LoginTickets,
        captcha: Captcha,
        base_url: str,
        mail_domain: str,
        new_account_url: str = "",
    ) -> None:
        """`base_url`: the origin whose forms count, without a slash; `new_account_url`: "" leaves the link out."""
        self._sign_on = sign_on
        self._login_tickets = login_tickets
        self._captcha = captcha
        self._base_url = base_url
        self._mail_domain = mail_domain
        self._new_account_url = new_account_url
        self._pre_session = PreSessionCookie(sign_on.cookie.is_https)

    def blueprint(self) -> Blueprint:
        """Return the page's scripts, templates and spoken CAPTCHA at /sso."""
        sso = Blueprint("sso", __name__, url_prefix="/sso", template_folder="templates")
        sso.record_once(lambda state: add_assets(state.app, STATIC))  # type: ignore[arg-type] # state.app is our Flask
        sso.add_url_rule("/captcha.wav", "captcha_sound", self._captcha_sound)
        return sso

    # --- forms ------------------------------------------------------------------------------------------------------

    def ask_credentials(
        self, sign_in: SignIn, status: int = 200, error: str = "", *, asks_captcha: bool | None = None
    ) -> Response:
        """Show the form for name and password; without `asks_captcha` the browser's record decides."""
        due = self._sign_on.captcha_is_due(request) if asks_captcha is None else asks_captcha
        code = new_code() if due else ""
        pre_session = self._pre_session.read(request) or short_token("")
        ticket = self._login_tickets.issue(pre_session, code)
        return self._ask(
            "login.html",
            sign_in,
            status,
            pre_session,
            login_ticket=ticket,
            captcha=self._captcha_of(ticket, code) if due else None,
            error=error,
            username=request.form.get("username", ""),
            mail_domain=self._mail_domain,
            warn=sign_in.warns,
            # The person alone ticks the box, never a link that led here (CAS 3.0.3, 4.1.1).
            remember="rememberMe" in request.form,
            offers_to_remember=self._sign_on.settings.remember_me,
            new_account_url=self._new_account_url,
        )

    def ask_before_application(self, sign_in: SignIn) -> Response:
        """Show the warning before an application."""
        pre_session = self._pre_session.read(request) or short_token("")
        return self._ask("warning.html", sign_in, 200, pre_session, login_ticket=self._login_tickets.issue(pre_session))

    def refuse_second_factor(self, application: Application) -> Response:
        """Show that the application demands more than anybody can show here yet."""
        return page("second_factor.html", 403, application=application)

    def _ask(self, template: str, sign_in: SignIn, status: int, pre_session: str, **values: Any) -> Response:
        """Show a form whose answer may lead to the application and nowhere else. Effect: nothing is stored"""
        if sign_in.form_target:
            allow_form_targets(sign_in.form_target)
        # In the address too: the language switch then still knows the application after a failed attempt.
        action = sign_in.action + (f"?{urlencode(sign_in.carried)}" if sign_in.carried else "")
        response = page(
            template,
            status,
            application=sign_in.application,
            host=sign_in.host,
            carried=sign_in.carried,
            action=action,
            **values,
        )
        if pre_session != self._pre_session.read(request):
            self._pre_session.issue(response, pre_session)
        return response

    # --- answers ----------------------------------------------------------------------------------------------------

    def is_answer(self) -> bool:
        """Tell whether this request answers one of the forms."""
        return request.method == "POST" and ("username" in request.form or "proceed" in request.form)

    def answers_warning(self) -> bool:
        """Tell whether this request answers the warning."""
        return "proceed" in request.form

    def refuse_foreign(self) -> Response | None:
        """Return a page when the browser says that another site sent this form."""
        own = (self._base_url, request.host_url.rstrip("/"))
        if is_own_origin(request.headers.get("Origin", ""), request.headers.get("Sec-Fetch-Site", ""), own):
            return None
        return page("foreign_form.html", 403)

    def is_confirmed(self, login_ticket: str) -> bool:
        """Spend the ticket of a warning and tell whether it was good."""
        return self._login_tickets.consume(login_ticket, self._pre_session.read(request)) is not None

    def check_credentials(self, sign_in: SignIn, login_ticket: str) -> SignedIn | Response:
        """Judge a name and a password; they count only in the body, never in an address.

        Effect:  the ticket is spent first: the same form never works twice, whatever comes of it
        """
        code = self._login_tickets.consume(login_ticket, self._pre_session.read(request))
        if code is None:
            return self.ask_credentials(sign_in, 400, self._why_not_fresh())
        names, passwords = request.form.getlist("username"), request.form.getlist("password")
        if len(names) > 1 or len(passwords) > 1:
            return page("unreadable.html", 400)
        is_person = self._is_person(login_ticket, code)
        try:
            started = self._sign_on.sign_in(
                request,
                "".join(names),
                "".join(passwords),
                warns=sign_in.warns,
                remember=sign_in.remembers,
                is_person=is_person,
            )
        except RefusedSignIn as refusal:
            why = _("Incorrect username or password. Check both and try again.")
            return self.ask_credentials(sign_in, 401, why, asks_captcha=refusal.captcha_due)
        except CaptchaDue:
            why = _("Several attempts have failed. Please confirm that you're not a robot and sign in again.")
            return self.ask_credentials(sign_in, 401, why, asks_captcha=True)
        except TooSoon as refusal:
            seconds = math.ceil(refusal.wait_s)
            why = ngettext(
                "Too many failed attempts. Wait %(num)d second, then try again.",
                "Too many failed attempts. Wait %(num)d seconds, then try again.",
                seconds,
            )
            return _later(self.ask_credentials(sign_in, 429, why), seconds)
        except TooBusy:
            return _later(page("busy.html", 503), BUSY_RETRY_AFTER_S)
        except TargetUnavailable:
            return _later(page("unavailable.html", 503), RETRY_AFTER_S)
        session = self._sign_on.find(started)
        if session is None:  # the account was closed in the same moment
            return self.ask_credentials(sign_in)
        return SignedIn(session, started.token, started.devices, sign_in.remembers)

    def finish(self, response: Response, signed_in: SignedIn) -> Response:
        """Return the answer with the cookies of the new session."""
        self._sign_on.give_cookies(response, signed_in.token, signed_in.devices, remember=signed_in.remembers)
        return response

    def _why_not_fresh(self) -> str:
        if not self._pre_session.read(request):
            return str(_("Your browser did not send our cookie. Allow cookies for this site, then try again."))
        return str(_("This form was open for too long or was sent twice. Please try again."))

    # --- CAPTCHA ----------------------------------------------------------------------------------------------------

    def _is_person(self, login_ticket: str, code: str) -> bool:
        payload, typed = request.form.get("altcha", ""), request.form.get("captcha", "")
        return self._captcha.is_solved(login_ticket, payload) or is_code(typed, code)

    def _captcha_of(self, login_ticket: str, code: str) -> Mapping[str, str]:
        return {
            "challenge": self._captcha.challenge(login_ticket),
            "picture": picture(code),
            "sound": url_for("sso.captcha_sound", key=self._login_tickets.issue_hearing(code)),
        }

    def _captcha_sound(self) -> ResponseReturnValue:
        """Speak the code of a picture."""
        code = self._login_tickets.hear(request.args.get("key", ""))
        if code is None:
            return page("unreadable.html", 404)
        return Response(sound(code, current_language()), content_type="audio/wav")


def is_own_origin(origin: str, fetch_site: str, own: Iterable[str]) -> bool:
    """Tell whether a form was sent from a page of ours, as far as the browser says.

    A client that says nothing is judged by its login ticket alone. One that names another origin is refused.
    """
    if origin and origin not in own:
        return False
    return fetch_site in ("", "same-origin", "none")


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return a page of this package."""
    return Response(render_template(f"sso/{template}", **values), status)


def _later(response: Response, seconds: int) -> Response:
    response.headers["Retry-After"] = str(seconds)
    return response
