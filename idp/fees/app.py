"""Plug the fees application together: its settings, its database, its pages."""

from flask import Flask
from flask_babel import lazy_gettext as _

from idp.clock import Clock
from idp.fees import health
from idp.fees.cas_client import Cas
from idp.fees.database import Database, load_key, open_database, require_made
from idp.fees.settings import Settings, load_settings
from idp.fees.views import Pages, add_pages
from idp.web.logs import configure_logs
from idp.web.plumbing import new_flask


def new_application(settings: Settings, database: Database, key: bytes, clock: Clock) -> Flask:
    """Return the application over an opened database."""
    app = new_flask(_("Fees"), settings.web, settings.university, [key], clock, cookie_name="fees_form")
    cas = Cas(settings.cas)
    add_pages(app, Pages(database, cas, settings.fees, settings.web, settings.university, clock))
    app.register_blueprint(health.blueprint(database))
    return app


def create_app() -> Flask:
    """Return the application that the environment describes: what the web server calls in each of its processes."""
    settings = load_settings()
    configure_logs(settings.web.log_format)
    require_made(settings.fees)
    return new_application(settings, open_database(settings.fees), load_key(settings.fees), Clock())
