"""Pages that only inform: how to create an account, accessibility."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from idp.accounts.claim import earliest_retry
from idp.portal.parts import Parts


def add_help_views(portal: Blueprint, parts: Parts) -> None:
    """Add /help/account, /accessibility, and where password managers look for the page that changes a password."""

    @portal.get("/help/account")
    def faq() -> ResponseReturnValue:
        return render_template(
            "portal/faq.html",
            asked=[detail.value for detail in parts.accounts.claim_details],
            tries=parts.accounts.claim_attempts_per_day,
            min_length=parts.accounts.password_min_length,
            sync_hour=parts.university.sync_hour,
            retry_at=earliest_retry(parts.clock.now(), parts.zone, parts.university.sync_hour),
        )

    @portal.get("/.well-known/change-password")
    def change_password() -> ResponseReturnValue:
        # Source: W3C, A Well-Known URL for Changing Passwords
        return redirect(url_for("portal.faq", _anchor="change-password"), 303)

    @portal.get("/accessibility")
    def accessibility() -> ResponseReturnValue:
        return render_template("portal/accessibility.html")
