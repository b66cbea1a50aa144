"""The steps of signing in, as a state machine on the server. Pure.

    CREDENTIALS ─► SECOND_FACTOR ─► WARNING ─► DONE

Each request asks for the step that is due. A browser cannot skip one: what it has shown is in the session.
"""

from enum import Enum, auto

from idp.applications.assurance import Assurance


class Step(Enum):
    """What is due before somebody is signed in to an application."""

    CREDENTIALS = auto()  # name and password on one page
    SECOND_FACTOR = auto()  # the application demands more than the session has shown
    WARNING = auto()  # the person asked to be warned before each application
    DONE = auto()


def due_step(
    session_assurance: Assurance | None, required: Assurance, *, asks_again: bool, warns: bool, is_confirmed: bool
) -> Step:
    """Return the step that is due.

    Shape:   session_assurance: None without a session; asks_again: the application wants a new sign-in (`renew`);
             is_confirmed: the person has just signed in or answered the warning
    """
    if session_assurance is None or asks_again:
        return Step.CREDENTIALS
    if not session_assurance.satisfies(required):
        return Step.SECOND_FACTOR
    return Step.WARNING if warns and not is_confirmed else Step.DONE
