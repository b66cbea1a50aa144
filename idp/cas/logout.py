"""Single logout, back-channel: tell a CAS application that the session behind one of its tickets has ended.

Source:  CAS Protocol 3.0.3, 2.3.3 and appendix C; docs/domain.md on what real clients parse
"""

from datetime import UTC, datetime

from lxml import etree

from idp.applications.files import LogoutRule
from idp.applications.registered import RegisteredApplications
from idp.audit.events import new_id
from idp.clock import Clock
from idp.drivers.http import Outgoing
from idp.errors import TargetRejected
from idp.sso.logouts import Logout

PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
REDIRECTS = (301, 302, 303, 307, 308)


def logout_request(ticket: str, at: datetime, request_id: str) -> str:
    """Return the document that names the ended session by its ticket.

    Shape:   no XML declaration, no `+` and no `%` (phpCAS decodes twice); SessionIndex a direct child of the root, with
             nothing but the ticket in it (mod_auth_cas, phpCAS); IssueInstant in UTC with `Z`
    """
    root = etree.Element(f"{{{PROTOCOL}}}LogoutRequest", nsmap={"samlp": PROTOCOL})
    root.set("ID", f"LR-{request_id}")
    root.set("Version", "2.0")
    root.set("IssueInstant", at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    etree.SubElement(root, f"{{{ASSERTION}}}NameID", nsmap={"saml": ASSERTION}).text = "@NOT_USED@"
    etree.SubElement(root, f"{{{PROTOCOL}}}SessionIndex").text = ticket
    return etree.tostring(root, encoding="unicode")


class CasLogoutSender:
    """Posts logout requests to CAS applications."""

    def __init__(self, applications: RegisteredApplications, outgoing: Outgoing, clock: Clock) -> None:
        self._applications = applications
        self._outgoing = outgoing
        self._clock = clock

    def tell(self, logout: Logout) -> None:
        """Send one logout.

        Raises:  TargetUnavailable, TargetRejected
        """
        document = logout_request(logout.ticket, self._clock.now(), new_id())
        application = self._applications.current().by_id.get(logout.application)
        rule = LogoutRule() if application is None else application.cas.logout
        if rule.body == "raw":
            answer = self._outgoing.post(logout.address, document.encode(), "text/xml")
        else:
            # `logoutRequest` is the first and only parameter: mod_auth_cas looks at the first bytes of the body.
            answer = self._outgoing.post_form(logout.address, {"logoutRequest": document})
        # A redirect as a rule says "sign in first" and that nothing was ended; only a registration knows better.
        if not answer.is_success and not (rule.redirect_confirms and answer.status in REDIRECTS):
            raise TargetRejected(f"HTTP {answer.status}")
