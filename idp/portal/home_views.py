"""The front page, and what the registry holds about a student."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from idp.errors import NotFound
from idp.people.snapshot import PersonSnapshot, load_snapshot
from idp.people.status import local_date
from idp.portal.parts import Parts
from idp.portal.texts import level_text, status_text
from idp.portal.visitors import STUDENT, Visitors


def add_home_views(portal: Blueprint, parts: Parts, visitors: Visitors) -> None:
    """Add / and /data."""

    @portal.get("/")
    def home() -> ResponseReturnValue:
        found = visitors.who()
        if found is None:
            return render_template("portal/landing.html")
        if found.account_kind != STUDENT:
            return redirect(url_for("portal.staff"), 303)
        addresses = parts.mail_names.addresses(found.account_id)
        return render_template("portal/home.html", name=found.display_name, addresses=addresses)

    @portal.get("/data")
    def my_data() -> ResponseReturnValue:
        student = visitors.student()
        person = _person(parts, student.account_id)
        programmes = [
            (
                each.programme_name or each.programme,
                level_text(each),
                status_text(each.status),
                each.status_from,
            )
            for each in person.enrolments
        ]
        return render_template("portal/my_data.html", person=person, programmes=programmes, addresses=person.addresses)


def _person(parts: Parts, person_id: str) -> PersonSnapshot:
    today = local_date(parts.clock.now(), parts.zone)
    with parts.databases.identity.read() as connection:
        person = load_snapshot(connection, person_id, parts.people, today)
    if person is None:
        raise NotFound("no such person")
    return person
