"""The web application: all blueprints of one installation."""

from collections.abc import Callable

from flask import Flask

from idp.app.installation import Idp
from idp.app.readiness import Readiness
from idp.app.settings import load_settings
from idp.cas.views import blueprint as cas_blueprint
from idp.cas.wsgi_fast_path import WsgiFastPath
from idp.clock import Clock
from idp.db.databases import UNAVAILABLE
from idp.db.revisions import require_migrated
from idp.errors import StoreUnavailable, TargetUnavailable
from idp.jobs import housekeeping
from idp.portal.parts import Parts
from idp.portal.views import blueprint as portal_blueprint
from idp.web import health
from idp.web.failures import answer_as
from idp.web.logs import configure_logs
from idp.web.plumbing import new_flask

ESTUDENT = "eStudent"


def create_app() -> Flask:
    """Return the application that the environment describes. Each process of the web server calls this."""
    settings = load_settings()
    configure_logs(settings.web.log_format)
    installation = Idp(settings, Clock())
    require_migrated(installation.databases)
    return new_application(installation)


def new_application(installation: Idp) -> Flask:
    """Return the application with all pages of an open installation."""
    settings = installation.settings
    app = new_flask(
        ESTUDENT, settings.web, settings.university, installation.keys.web_secrets(), installation.clock, "idp_form"
    )
    answer_as(app, StoreUnavailable(), *UNAVAILABLE)
    app.register_blueprint(
        cas_blueprint(installation.sign_on, installation.ticket_service, installation.login_page, settings.web.base_url)
    )
    app.register_blueprint(installation.login_page.blueprint())
    app.register_blueprint(portal_blueprint(_portal_parts(installation)))
    app.register_blueprint(health.blueprint(Readiness(checks(installation), installation.clock).parts))
    app.wsgi_app = WsgiFastPath(  # type: ignore[method-assign] # the way that Flask documents
        app.wsgi_app, installation.sign_on, installation.ticket_service, settings.web
    )
    return app


def _portal_parts(installation: Idp) -> Parts:
    settings = installation.settings
    return Parts(
        sign_on=installation.sign_on,
        tickets=installation.ticket_service,
        claims=installation.claims,
        mail_names=installation.mail_names,
        staff_service=installation.staff_service,
        databases=installation.databases,
        clock=installation.clock,
        accounts=settings.accounts,
        aliases=settings.aliases,
        people=settings.people,
        portal=settings.portal,
        university=settings.university,
        base_url=settings.web.base_url,
    )


def checks(installation: Idp) -> dict[str, Callable[[], object]]:
    """Return the readiness checks by part. A check that raises names the problem."""
    databases, layout = installation.databases, installation.settings.directory

    def databases_answer() -> None:
        require_migrated(databases)
        # A full disk can be read, and a worker that cannot write its heartbeat looks dead: only then try to write.
        if housekeeping.silent_lanes(databases, installation.clock):
            housekeeping.require_writable(databases, installation.clock)

    def worker_lives() -> None:
        if silent := housekeeping.silent_lanes(databases, installation.clock):
            raise TargetUnavailable(f"no worker of the lane {', '.join(sorted(silent))} is alive; start `idp worker`")

    return {
        "databases": databases_answer,
        "directory": lambda: installation.signin_directory.read(layout.people_dn, ["ou"]),
        "worker": worker_lives,
    }
