"""Well-known addresses: security.txt, robots.txt, favicon.ico."""

from datetime import timedelta

from flask import Blueprint, Response, abort, current_app

from idp.clock import Clock
from idp.web.assets import ASSETS, Assets
from idp.web.settings import WebSettings

GOOD_FOR = timedelta(days=90)
ONE_DAY_S = 24 * 3600


def well_known(web: WebSettings, clock: Clock) -> Blueprint:
    """Return the blueprint of these addresses."""
    pages = Blueprint("well_known", __name__)

    @pages.get("/.well-known/security.txt")
    def security() -> Response:
        """Return where to report a vulnerability.

        Source:  RFC 9116
        """
        if not web.security_contact:
            abort(404)
        until = (clock.now() + GOOD_FOR).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = (
            f"Contact: {web.security_contact}",
            f"Expires: {until}",
            "Preferred-Languages: pl, en",
            f"Canonical: {web.base_url}/.well-known/security.txt",
        )
        return _text("\n".join(lines))

    @pages.get("/robots.txt")
    def robots() -> Response:
        return _text("User-agent: *\nDisallow: /")

    @pages.get("/favicon.ico")
    def icon() -> Response:
        assets: Assets = current_app.extensions[ASSETS]
        return assets.mark()

    return pages


def _text(text: str) -> Response:
    response = Response(f"{text}\n", content_type="text/plain; charset=utf-8")
    response.cache_control.public = True
    response.cache_control.max_age = ONE_DAY_S
    return response
