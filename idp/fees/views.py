"""The pages: the front page, signing in and out through CAS, and a student's own fees."""

import hmac
import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

import structlog
from flask import Blueprint, Flask, abort, g, make_response, redirect, render_template, request, url_for
from flask_babel import format_currency
from werkzeug.wrappers import Response as BaseResponse

from idp.clock import Clock
from idp.errors import BadCredentials, InvalidInput, TargetError
from idp.fees import sessions
from idp.fees.account_numbers import grouped, iban
from idp.fees.cas_client import Cas, Principal, ended_ticket
from idp.fees.database import Database
from idp.fees.days import next_transfer, today
from idp.fees.journal import APPLICATION, SIGN_IN_REFUSED, SIGNED_IN, SIGNED_OUT, Event, record
from idp.fees.ledger import Ledger, load_ledger
from idp.fees.money import Money
from idp.fees.overview import overview_of
from idp.fees.settings import FeesSettings
from idp.fees.student_tables import find_student
from idp.fees.values import Session, Student
from idp.web.failures import show_visitor
from idp.web.headers import allow_form_targets
from idp.web.languages import current_language
from idp.web.plumbing import exempt_from_csrf
from idp.web.settings import UniversitySettings, WebSettings

ONE_HOUR_S = 3600
LOGIN_PATH = "/login"
STATE_BYTES = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is at the top right of every page."""

    name: str
    sign_out_url: str


@dataclass(frozen=True, slots=True)
class Pages:
    """What the views work with."""

    database: Database
    cas: Cas
    fees: FeesSettings
    web: WebSettings
    university: UniversitySettings
    clock: Clock

    @property
    def session_cookie(self) -> str:
        """Holds the session's token."""
        return "__Host-fees_session" if self.web.is_https else "fees_session"

    @property
    def login_cookie(self) -> str:
        """Holds the state of the sign-in that this browser began last: only a ticket for that one is redeemed.

        Otherwise a foreign page could send the browser here with a ticket of its own and sign it in as somebody else.
        """
        return "__Host-fees_login" if self.web.is_https else "fees_login"

    def set_cookie(self, response: BaseResponse, name: str, value: str, max_age_s: int | None = None) -> None:
        """Set a cookie for this host alone. `Lax`: it comes along when CAS sends the browser back."""
        response.set_cookie(
            name, value, max_age=max_age_s, secure=self.web.is_https, httponly=True, samesite="Lax", path="/"
        )

    def drop_cookie(self, response: BaseResponse, name: str) -> None:
        response.delete_cookie(name, secure=self.web.is_https, httponly=True, samesite="Lax", path="/")


def service_url(web: WebSettings, state: str) -> str:
    """Return the address to which CAS sends the browser back, and for which its ticket counts: one for each sign-in."""
    return f"{web.base_url}{LOGIN_PATH}?{urlencode({'state': state})}"


def add_pages(app: Flask, pages: Pages) -> None:
    """Give `app` its pages."""
    blueprint = Blueprint("fees", __name__, template_folder="templates")
    _add_signing_in(blueprint, pages)
    _add_fees(blueprint, pages)
    app.register_blueprint(blueprint)
    # CAS posts the end of a session there; it has no form of ours, and the ticket in it is what authorises it.
    exempt_from_csrf(app, app.view_functions["fees.end_from_outside"])
    app.jinja_env.globals.update(grouped=grouped, iban=iban, money=money)


def money(amount: Money) -> str:
    """Return the amount as people read it in the page's language: `1 200,00 zł`, `PLN 1,200.00`."""
    text = str(format_currency(amount.decimal, amount.currency))
    # Babel leaves out the blank that CLDR puts between a currency's letters and the digits.
    return re.sub(r"(?<=[A-Z])(?=[0-9])", "\u00a0", text)


def _add_signing_in(blueprint: Blueprint, pages: Pages) -> None:
    @blueprint.before_request
    def know_visitor() -> None:
        g.session, g.student = _visitor(pages)
        if g.session is not None:
            allow_form_targets(pages.cas.logout_url)  # where the sign-out button leads

    @blueprint.context_processor
    def visitor() -> dict[str, Visitor | None]:
        return {"visitor": _shown()}

    def visitor_of_failure() -> Visitor | None:
        if "session" not in g:  # the page belongs to no blueprint
            know_visitor()
        return _shown()

    blueprint.record_once(lambda state: show_visitor(state.app, visitor_of_failure))  # type: ignore[arg-type] # our Flask

    @blueprint.get(LOGIN_PATH)
    def sign_in() -> BaseResponse | tuple[str, int]:
        if ticket := request.args.get("ticket", ""):
            return _finish(pages, ticket)
        if g.session is not None:
            return redirect(url_for("fees.mine"), 303)
        state = secrets.token_urlsafe(STATE_BYTES)
        response = redirect(pages.cas.login_url(service_url(pages.web, state), current_language()), 303)
        pages.set_cookie(response, pages.login_cookie, state, ONE_HOUR_S)
        return response

    @blueprint.post(LOGIN_PATH)
    def end_from_outside() -> str:
        """Single logout: the sign-in service says that the session of a ticket is over."""
        try:
            ticket = ended_ticket(request.form.get("logoutRequest", ""))
        except InvalidInput:
            abort(400)
        with pages.database.write() as connection:
            if ended := sessions.end_by_ticket(connection, ticket):
                record(connection, pages.clock.now(), Event(SIGNED_OUT, "cas", ended.cas_user))
        return ""

    @blueprint.post("/logout")
    def sign_out() -> BaseResponse:
        with pages.database.write() as connection:
            if ended := sessions.end(connection, request.cookies.get(pages.session_cookie, "")):
                record(connection, pages.clock.now(), Event(SIGNED_OUT, ended.cas_user, ended.cas_user))
        response = redirect(pages.cas.logout_url, 303)
        pages.drop_cookie(response, pages.session_cookie)
        return response


def _shown() -> Visitor | None:
    session: Session | None = g.get("session")
    student: Student | None = g.get("student")
    if session is None:
        return None
    return Visitor(student.display_name if student else session.cas_user, url_for("fees.sign_out"))


def _add_fees(blueprint: Blueprint, pages: Pages) -> None:
    @blueprint.get("/")
    def front() -> str:
        return render_template("fees/front.html")

    @blueprint.get("/fees")
    def mine() -> BaseResponse | str:
        if g.session is None:
            return redirect(url_for("fees.sign_in"), 303)
        if g.student is None:
            return _unknown_here(pages)
        with pages.database.read() as connection:
            ledger = load_ledger(connection, g.student.student_id)
        return _fees_page(pages, g.student, ledger)


def _visitor(pages: Pages) -> tuple[Session | None, Student | None]:
    """Return who is signed in, and the student that they are, if any."""
    token = request.cookies.get(pages.session_cookie)
    if not token:
        return None, None
    with pages.database.read() as connection:
        session = sessions.find(connection, token, pages.clock.timestamp())
        student = find_student(connection, session.album) if session and session.album else None
    return session, student


def _finish(pages: Pages, ticket: str) -> BaseResponse | tuple[str, int]:
    """Sign in with the ticket that CAS gave to the browser."""
    state = request.cookies.get(pages.login_cookie, "")
    if not _is_same(state, request.args.get("state", "")):
        # The cookie stays: it belongs to a sign-in that may still come back, in another tab.
        if g.session is not None:
            return redirect(url_for("fees.mine"), 303)
        return render_template("fees/not_confirmed.html"), 403
    try:
        principal = pages.cas.verify(ticket, service_url(pages.web, state))
    except BadCredentials:
        return _refuse(pages)
    except TargetError as error:
        log.warning("cas failed", code=error.code, error=str(error))
        return render_template("fees/no_cas.html"), 503
    return _begin(pages, ticket, principal)


def _is_same(kept: str, given: str) -> bool:
    """Tell whether there is a state, and the browser came back with it."""
    # Bytes: compare_digest refuses texts beyond ASCII.
    return bool(kept) and hmac.compare_digest(kept.encode(), given.encode())


def _refuse(pages: Pages) -> BaseResponse:
    with pages.database.write() as connection:
        record(connection, pages.clock.now(), Event(SIGN_IN_REFUSED, APPLICATION, "", {"reason": "ticket"}))
    response = make_response(render_template("fees/not_confirmed.html"), 403)
    pages.drop_cookie(response, pages.login_cookie)
    return response


def _begin(pages: Pages, ticket: str, principal: Principal) -> BaseResponse:
    with pages.database.write() as connection:
        sessions.end(connection, request.cookies.get(pages.session_cookie, ""))
        token = sessions.start(
            connection, ticket, principal.user, principal.album, pages.clock.timestamp(), pages.fees.session_s
        )
        event = Event(SIGNED_IN, principal.user, principal.album or principal.user)
        record(connection, pages.clock.now(), event)
    # The address with the ticket goes out of the browser's bar and history.
    response = redirect(url_for("fees.mine"), 303)
    pages.set_cookie(response, pages.session_cookie, token)
    pages.drop_cookie(response, pages.login_cookie)
    return response


def _fees_page(pages: Pages, student: Student, ledger: Ledger) -> str:
    day = today(pages.clock, pages.university.time_zone)
    return render_template(
        "fees/mine.html",
        student=student,
        today=day,
        overview=overview_of(ledger, day),
        kinds=pages.fees.kinds,
        recipient=pages.fees.recipient,
    )


def _unknown_here(pages: Pages) -> str:
    coming = next_transfer(pages.clock.now(), pages.university.time_zone, pages.university.sync_hour)
    return render_template("fees/unknown.html", session=g.session, coming=coming)
