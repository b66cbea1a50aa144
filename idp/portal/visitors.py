"""Who is looking at a page, and who may."""

from dataclasses import dataclass

from flask import g, redirect, request, session, url_for
from werkzeug.exceptions import Forbidden, HTTPException

from idp.sso.session_queries import LiveSession
from idp.sso.sign_on import SignOnService

STUDENT, STAFF = "student", "staff"
NEXT = "next"  # in the form cookie: the page to come back to after signing in


@dataclass(frozen=True, slots=True)
class Visitor:
    """What the layout shows of who is signed in."""

    name: str
    sign_out_url: str
    sign_in_url: str
    is_student: bool


@dataclass(frozen=True, slots=True)
class Visitors:
    """The guard of the pages. Their session is the sign-on session itself."""

    sign_on: SignOnService

    def who(self) -> LiveSession | None:
        """Return who is signed in, looked up once per request."""
        if "visitor_session" not in g:
            g.visitor_session = None  # should the look-up fail: the page that says so asks, too
            g.visitor_session = self.sign_on.current_session(request)
        found: LiveSession | None = g.visitor_session
        return found

    def student(self) -> LiveSession:
        """Return the student who is signed in.

        Raises:  a redirect to the sign-in page; 403 for anybody who is no student
        """
        return self._only(STUDENT)

    def staff(self) -> LiveSession:
        """Return the member of staff who is signed in; raises as `student`."""
        return self._only(STAFF)

    def shown(self) -> Visitor:
        """Return what the top bar says."""
        found = self.who()
        return Visitor(
            name=found.display_name if found else "",
            sign_out_url=url_for("portal.sign_out"),
            sign_in_url=url_for("portal.sign_in"),
            is_student=found is not None and found.account_kind == STUDENT,
        )

    def _only(self, kind: str) -> LiveSession:
        found = self.who()
        if found is None:
            if request.method == "GET":
                session[NEXT] = request.path
            raise _Elsewhere(response=redirect(url_for("portal.sign_in"), 303))
        if found.account_kind != kind:
            raise Forbidden
        return found


class _Elsewhere(HTTPException):
    """Ends a view with a redirect."""

    code = 303
