"""An application for tests of the web server and the proxy: it answers with what arrived."""

from typing import Any

from flask import Flask, request

from idp.clock import Clock
from idp.web.plumbing import exempt_from_csrf, new_flask
from idp.web.settings import UniversitySettings, WebSettings

FACTORY = f"{__name__}:create_app"


def create_app() -> Flask:
    """Return the application, set up as ours are, behind one proxy."""
    web = WebSettings(base_url="http://localhost", trusted_hosts=["estudent.po.edu.pl"], trusted_proxies=1)
    app = new_flask("Echo", web, UniversitySettings(), [b"k" * 64], Clock(), "echo")

    @app.route("/echo", methods=["GET", "POST"])
    def echo() -> dict[str, Any]:
        return {
            "body": request.get_data(as_text=True),
            "url": request.url,
            "address": request.remote_addr,
            "headers": dict(request.headers),
        }

    exempt_from_csrf(app, echo)
    return app
