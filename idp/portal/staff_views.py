"""Staff: join by invitation, and see who one is here."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from idp.accounts.passwords import Weakness
from idp.errors import Conflict, InvalidInput, InvalidPassword, NotFound, TargetError
from idp.portal.forms import LONGEST, Errors, read_new_password
from idp.portal.parts import Parts
from idp.portal.texts import role_text, weakness_text
from idp.portal.visitors import Visitors
from idp.web.languages import current_language

JOINED = "staff_joined"


def add_staff_views(portal: Blueprint, parts: Parts, visitors: Visitors) -> None:
    """Add /staff, /staff/join/<token> and /staff/joined."""
    pages = _Pages(parts, visitors)
    portal.add_url_rule("/staff", "staff", pages.staff)
    portal.add_url_rule("/staff/join/<token>", "join", pages.invitation)
    portal.add_url_rule("/staff/join/<token>", "join_staff", pages.join, methods=["POST"])
    portal.add_url_rule("/staff/joined", "staff_joined", pages.joined)


class _Pages:
    def __init__(self, parts: Parts, visitors: Visitors) -> None:
        self._parts = parts
        self._visitors = visitors

    def staff(self) -> ResponseReturnValue:
        member = self._visitors.staff()
        return render_template(
            "portal/staff.html", name=member.display_name, role=role_text(member.role), uid=member.uid
        )

    def invitation(self, token: str) -> ResponseReturnValue:
        try:
            invitation = self._parts.staff_service.invitation(token)
        except NotFound:
            return _over()
        return self._form(token, invitation.given_name, invitation.surname, {}), 200

    def join(self, token: str) -> ResponseReturnValue:
        try:
            return self._join(token)
        except NotFound:
            return _over()

    def _join(self, token: str) -> ResponseReturnValue:
        given_name = request.form.get("given_name", "").strip()[:LONGEST]
        surname = request.form.get("surname", "").strip()[:LONGEST]
        password, errors = read_new_password(request.form)
        if not surname:
            errors = {"surname": _("Enter your surname."), **errors}
        if errors:
            return self._form(token, given_name, surname, errors), 422
        try:
            self._parts.staff_service.join(token, given_name, surname, password, current_language())
        except InvalidPassword as refusal:
            text = weakness_text(Weakness(str(refusal)), self._parts.accounts.password_min_length)
            return self._form(token, given_name, surname, {"password": text}), 422
        except InvalidInput:
            text = _("Write your name in letters, as in your identity document.")
            return self._form(token, given_name, surname, {"surname": text}), 422
        except Conflict:
            text = _("This invitation is being used in another window.")
            return self._form(token, given_name, surname, {"": text}), 409
        except TargetError:
            return self._form(token, given_name, surname, {}, is_down=True), 503
        session[JOINED] = True
        return redirect(url_for("portal.staff_joined"), 303)

    def joined(self) -> ResponseReturnValue:
        if not session.get(JOINED):
            return redirect(url_for("portal.staff"), 303)
        return render_template("portal/staff_joined.html")

    def _form(self, token: str, given_name: str, surname: str, errors: Errors, *, is_down: bool = False) -> str:
        account = self._parts.staff_service.invitation(token).account
        return render_template(
            "portal/staff_join.html",
            mail=account.mail,
            role=role_text(account.role),
            given_name=given_name,
            surname=surname,
            errors=errors,
            is_down=is_down,
            min_length=self._parts.accounts.password_min_length,
        )


def _over() -> ResponseReturnValue:
    return render_template("portal/staff_join_over.html"), 404
