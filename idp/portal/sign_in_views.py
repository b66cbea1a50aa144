"""In and out: eStudent signs people in through CAS like any application, only that it takes its ticket in process."""

from urllib.parse import urlencode

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from idp.portal.parts import Parts
from idp.portal.visitors import NEXT, Visitors


def add_sign_in_views(portal: Blueprint, parts: Parts, visitors: Visitors) -> None:
    """Add /login, /login/return and /logout."""
    service_url = f"{parts.base_url}/login/return"

    @portal.get("/login")
    def sign_in() -> ResponseReturnValue:
        return redirect(url_for("cas.login") + "?" + urlencode({"service": service_url}), 303)

    @portal.get("/login/return")
    def signed_in() -> ResponseReturnValue:
        # The ticket is spent as by any application. What counts is the session of this browser: a ticket that somebody
        # else slipped in cannot sign anybody in.
        session_id = parts.tickets.consume(request.args.get("ticket", ""), service_url)
        found = visitors.who()
        if found is None or found.session_id != session_id:
            return redirect(url_for("portal.home"), 303)
        return redirect(session.pop(NEXT, url_for("portal.home")), 303)

    @portal.post("/logout")
    def sign_out() -> ResponseReturnValue:
        session.clear()
        return redirect(url_for("cas.logout"), 303)
