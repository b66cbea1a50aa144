"""Software (Office 365): the student's e-mail account."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from idp.aliases.refusals import Refusal
from idp.errors import AliasTaken, Conflict, InvalidAddress, NotAllowed
from idp.people.queries import load_person
from idp.portal.forms import OWN, Errors, read_mail_name
from idp.portal.parts import Parts
from idp.portal.texts import refusal_text
from idp.portal.visitors import Visitors


def add_software_views(portal: Blueprint, parts: Parts, visitors: Visitors) -> None:
    """Add /software and /software/mail."""
    pages = _Pages(parts, visitors)
    portal.add_url_rule("/software", "software", pages.software)
    portal.add_url_rule("/software/mail", "mail", pages.mail)
    portal.add_url_rule("/software/mail", "choose_mail_name", pages.choose, methods=["POST"])


class _Pages:
    def __init__(self, parts: Parts, visitors: Visitors) -> None:
        self._parts = parts
        self._visitors = visitors

    def software(self) -> ResponseReturnValue:
        student = self._visitors.student()
        addresses = self._parts.mail_names.addresses(student.account_id)
        return render_template(
            "portal/software.html", addresses=addresses, alias=self._alias(student.account_id), **self._common()
        )

    def mail(self) -> ResponseReturnValue:
        return self._page(self._visitors.student().account_id, {})

    def choose(self) -> ResponseReturnValue:
        student = self._visitors.student()
        name, errors = read_mail_name(request.form)
        if errors:
            return self._page(student.account_id, errors, 422)
        try:
            chosen = self._parts.mail_names.choose(student.account_id, name)
        except InvalidAddress as refusal:
            return self._page(student.account_id, {self._field(): refusal_text(Refusal(str(refusal)))}, 422)
        except AliasTaken:
            taken = _("This name, or one that looks just like it, is already taken. Choose another one.")
            return self._page(student.account_id, {self._field(): taken}, 409)
        except (Conflict, NotAllowed):
            return self._page(student.account_id, {}, 409)  # it shows what there is
        if chosen.is_delivered:
            flash(_("Your e-mail account has been created."), "success")
        else:
            flash(
                _(
                    "The address is yours. Our directory isn't responding at the moment, so the address will start "
                    "working in a few minutes. You don't need to do anything."
                ),
                "warning",
            )
        return redirect(url_for("portal.mail"), 303)

    def _page(self, person_id: str, errors: Errors, status: int = 200) -> ResponseReturnValue:
        names = self._parts.mail_names
        addresses = names.addresses(person_id)
        if addresses.primary is not None:
            return render_template("portal/mail.html", addresses=addresses, **self._common()), status
        return (
            render_template(
                "portal/choose_mail_name.html",
                proposals=names.free_proposals(person_id, self._parts.aliases.proposals),
                alias=self._alias(person_id),
                chosen=request.form.get("mail_name", ""),
                own_name=request.form.get("own_name", ""),
                own=OWN,
                errors=errors,
                **self._common(),
            ),
            status,
        )

    def _field(self) -> str:
        """Return the field that an error about the chosen name belongs to."""
        proposed = request.form.get("mail_name", "") not in ("", OWN)
        return "mail_name" if proposed else "own_name"

    def _alias(self, person_id: str) -> str | None:
        with self._parts.databases.identity.read() as connection:
            person = load_person(connection, person_id)
        return None if person is None or person.album is None else self._parts.mail_names.alias_of(person.album)

    def _common(self) -> dict[str, str]:
        return {"domain": self._parts.people.mail_domain}
