"""Create new account: the details, then the password, then what comes next."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from idp.accounts.claim import earliest_retry
from idp.accounts.passwords import Weakness
from idp.accounts.settings import Detail
from idp.errors import BadCredentials, Conflict, InProgress, InvalidPassword, NotFound, TargetError, TooManyAttempts
from idp.portal.forms import Errors, read_claim, read_new_password
from idp.portal.parts import Parts
from idp.portal.texts import weakness_text
from idp.portal.visitors import Visitors
from idp.web.languages import current_language

STEP = "claim_step"  # in the form cookie: the token of the second step
DONE = "claim_done"


def add_account_views(portal: Blueprint, parts: Parts, visitors: Visitors) -> None:
    """Add /account/new, /account/password and /account/done."""
    pages = _Pages(parts, visitors)
    portal.add_url_rule("/account/new", "new_account", pages.details)
    portal.add_url_rule("/account/new", "match", pages.match, methods=["POST"])
    portal.add_url_rule("/account/password", "first_password", pages.password)
    portal.add_url_rule("/account/password", "set_first_password", pages.set_password, methods=["POST"])
    portal.add_url_rule("/account/done", "account_done", pages.done)


class _Pages:
    def __init__(self, parts: Parts, visitors: Visitors) -> None:
        self._parts = parts
        self._visitors = visitors

    def details(self) -> ResponseReturnValue:
        if self._visitors.who() is not None:
            return redirect(url_for("portal.home"), 303)
        return self._form({}, {})

    def match(self) -> ResponseReturnValue:
        form = read_claim(request.form, self._parts.accounts.claim_details)
        if form.errors or form.album is None:
            return self._form(form.sent, form.errors), 422
        try:
            session[STEP] = self._parts.claims.match(form.album, form.typed, request.remote_addr or "")
        except BadCredentials:
            return self._form(form.sent, {}, refused=True), 403
        except TooManyAttempts:
            return self._form(form.sent, {}, tried_too_often=True), 429
        return redirect(url_for("portal.first_password"), 303)

    def password(self) -> ResponseReturnValue:
        return self._password_form({})

    def set_password(self) -> ResponseReturnValue:
        password, errors = read_new_password(request.form)
        if errors:
            return self._password_form(errors, 422)
        try:
            self._parts.claims.set_password(session.get(STEP, ""), password, current_language())
        except InvalidPassword as refusal:
            text = weakness_text(Weakness(str(refusal)), self._parts.accounts.password_min_length)
            return self._password_form({"password": text}, 422)
        except NotFound:
            return self._too_late()
        except InProgress:  # a double click: the first request is setting the password
            text = _("The password is being set in another window. Wait a moment, then sign in.")
            return self._password_form({"": text}, 409)
        except Conflict:
            session.pop(STEP, None)
            return self._form({}, {}, refused=True), 403
        except TargetError:
            return self._password_form({}, 503, is_down=True)
        session.pop(STEP, None)
        session[DONE] = True
        return redirect(url_for("portal.account_done"), 303)

    def done(self) -> ResponseReturnValue:
        if not session.get(DONE):
            return redirect(url_for("portal.new_account"), 303)
        return render_template("portal/account_done.html", domain=self._parts.people.mail_domain)

    def _form(
        self, sent: Mapping[str, str], errors: Errors, *, refused: bool = False, tried_too_often: bool = False
    ) -> str:
        parts = self._parts
        return render_template(
            "portal/new_account.html",
            asked=[detail.value for detail in parts.accounts.claim_details],
            # The end of a national id is not shown again: somebody may be looking over the shoulder.
            sent={**dict.fromkeys(("album", *Detail), ""), **sent, Detail.ID_END: ""},
            errors=errors,
            refused=refused,
            tried_too_often=tried_too_often,
            tries=parts.accounts.claim_attempts_per_day,
            retry_at=earliest_retry(parts.clock.now(), parts.zone, parts.university.sync_hour),
            sync_hour=parts.university.sync_hour,
        )

    def _password_form(self, errors: Errors, status: int = 200, *, is_down: bool = False) -> ResponseReturnValue:
        try:
            person = self._parts.claims.whose(session.get(STEP, ""))
        except NotFound:
            return self._too_late()
        page = render_template(
            "portal/first_password.html",
            album=person.album,
            errors=errors,
            is_down=is_down,
            min_length=self._parts.accounts.password_min_length,
            minutes=round(self._parts.accounts.claim_step_s / 60),
        )
        return page, status

    def _too_late(self) -> ResponseReturnValue:
        """Begin anew; whoever only guessed the address learns nothing."""
        was_in_it = session.pop(STEP, None) is not None
        errors = (
            {"": _("You ran out of time to choose a password. Please enter your details again.")} if was_in_it else {}
        )
        return (self._form({}, errors), 410) if was_in_it else redirect(url_for("portal.new_account"), 303)
