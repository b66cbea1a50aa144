"""eStudent's pages at `/`, put together. Each group of pages is a module `…_views.py` beside this one."""

from flask import Blueprint

from idp.portal.account_views import add_account_views
from idp.portal.help_views import add_help_views
from idp.portal.home_views import add_home_views
from idp.portal.parts import Parts
from idp.portal.sign_in_views import add_sign_in_views
from idp.portal.software_views import add_software_views
from idp.portal.staff_views import add_staff_views
from idp.portal.visitors import Visitors
from idp.web.failures import show_visitor


def blueprint(parts: Parts) -> Blueprint:
    """Return eStudent."""
    portal = Blueprint("portal", __name__, template_folder="templates")
    visitors = Visitors(parts.sign_on)
    portal.record_once(lambda state: show_visitor(state.app, visitors.shown))  # type: ignore[arg-type] # our Flask
    portal.context_processor(lambda: {"visitor": visitors.shown(), "portal_settings": parts.portal})
    add_home_views(portal, parts, visitors)
    add_account_views(portal, parts, visitors)
    add_software_views(portal, parts, visitors)
    add_sign_in_views(portal, parts, visitors)
    add_staff_views(portal, parts, visitors)
    add_help_views(portal, parts)
    return portal
