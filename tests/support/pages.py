"""An application with a page for each thing that can happen to one."""

import re
from collections.abc import Callable

from flask import Blueprint, Flask, abort, flash, redirect, render_template_string, request
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from idp import errors
from idp.clock import Clock
from idp.web.headers import allow_form_targets
from idp.web.plumbing import exempt_from_csrf, new_flask
from idp.web.settings import UniversitySettings, WebSettings

PAGE = """{% extends "base.html" %}{% import "macros.html" as m %}
{% block content %}<form>{{ m.csrf() }}</form>{% endblock %}"""

Build = Callable[..., Flask]


def build_pages(web: WebSettings | None = None, university: UniversitySettings | None = None) -> Flask:
    """Return the application under these settings."""
    app = new_flask(
        "eStudent",
        web or WebSettings(base_url="http://localhost"),
        university or UniversitySettings(),
        [b"k" * 32],
        Clock(),
        "idp_form",
    )
    _add(app)
    return app


def _add(app: Flask) -> None:
    @app.get("/")
    def front() -> str:
        return render_template_string(PAGE)

    @app.get("/sign-in")
    def sign_in() -> str:
        allow_form_targets("https://usosweb.example:8443/kontroler.php?_action=x", "http://localhost:8081/")
        return render_template_string(PAGE)

    @app.get("/flash")
    def flashing() -> ResponseReturnValue:
        flash("Saved <b>it</b>.", "success")
        return redirect("/")

    @app.route("/form", methods=["GET", "POST"])
    def form() -> str:
        return f"taken {request.form.get('x', '')}"

    @app.get("/long")
    def long() -> str:
        return "<p>" + "A page of some length. " * 100

    @app.get("/two-rules")
    def two_rules() -> str:
        return render_template_string(PAGE)

    @app.post("/two-rules")
    def sent_to_two_rules() -> tuple[str, int]:
        return render_template_string(PAGE), 422

    @app.route("/named/<name>", methods=["GET", "POST"])
    def named(name: str) -> str:
        return render_template_string(PAGE)

    @app.post("/post-only")
    def post_only() -> str:
        return "taken"

    @app.post("/program")
    def program() -> str:
        return "taken"

    exempt_from_csrf(app, program)

    @app.get("/fails/<name>")
    def fails(name: str) -> str:
        raise getattr(errors, name)("detail that stays inside, ticket=ST-1-secretsecret")

    @app.get("/aborts/<int:status>")
    def aborts(status: int) -> str:
        abort(status)

    @app.get("/breaks")
    def breaks() -> str:
        raise RuntimeError("password=hunter2")

    health = Blueprint("health", __name__)
    health.add_url_rule("/healthz", "healthz", lambda: "ok")
    app.register_blueprint(health)

    @app.get("/address")
    def address() -> str:
        return f"{request.remote_addr} {request.scheme} {request.host}"


def csrf_token(client: FlaskClient) -> str:
    """Return the form token of this browser."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)
    assert found is not None
    return found[1]
