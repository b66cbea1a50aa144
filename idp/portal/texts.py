"""Sentences for the words that rules and registries use. Called within a request, in its language."""

from flask_babel import gettext, ngettext

from idp.accounts.passwords import MOST_BYTES, Weakness
from idp.aliases.refusals import MOST_CHARACTERS, Refusal
from idp.people.values import Enrolment, Status
from idp.permissions import Role


def _(text: str, **values: object) -> str:
    return str(gettext(text, **values))


def weakness_text(weakness: Weakness, min_length: int) -> str:
    """Return which rule a password breaks, and how to mend it."""
    match weakness:
        case Weakness.TOO_SHORT:
            return str(
                ngettext(
                    "The password is too short. It needs at least %(num)d character; several words are fine.",
                    "The password is too short. It needs at least %(num)d characters; several words are fine.",
                    min_length,
                )
            )
        case Weakness.TOO_LONG:
            return _(
                "The password is too long. It can have at most %(bytes)d bytes; Polish letters count as two.",
                bytes=MOST_BYTES,
            )
        case Weakness.CONTROL_CHARACTER:
            return _(
                "The password contains a character that can't be typed on every keyboard, "
                "such as a tab or a line break."
            )
        case Weakness.OWN_DATA:
            return _("The password contains your name or number. Anyone who knows you would try that first.")
        case Weakness.UNIVERSITY_WORD:
            return _("The password contains the name of the university or of one of its applications. Leave it out.")
        case Weakness.EASY_TO_GUESS:
            return _(
                "The password is easy to guess: a common word, a repetition or neighbouring keys. "
                "Use several words that don't belong together."
            )


def refusal_text(refusal: Refusal) -> str:
    """Return why a mail name cannot be chosen."""
    match refusal:
        case Refusal.SYNTAX:
            return _("Use the letters a to z without accents, digits, and single dots or hyphens between them.")
        case Refusal.TOO_LONG:
            return _("The name is too long. It can have at most %(most)d characters.", most=MOST_CHARACTERS)
        case Refusal.PUNYCODE:
            return _("The name can't contain xn--.")
        case Refusal.ALL_DIGITS:
            return _("The name needs at least one letter.")
        case Refusal.ALIAS_FORM:
            return _("This name looks like an album number. Such addresses are reserved as aliases.")
        case Refusal.RESERVED:
            return _("This name is reserved for university offices, or is too similar to a reserved one.")
        case Refusal.OFFENSIVE:
            return _("This name contains a word that we don't allow in addresses.")


def status_text(status: Status) -> str:
    """Return the state of a programme of study in words."""
    match status:
        case Status.ADMITTED:
            return _("admitted, before the oath")
        case Status.ACTIVE:
            return _("active")
        case Status.LEAVE:
            return _("on leave")
        case Status.SUSPENDED:
            return _("suspended in student rights")
        case Status.CANCELLED:
            return _("struck off")
        case Status.GRADUATED_END_OF_STUDY:
            return _("studies ended")
        case Status.GRADUATED_BEFORE_DIPLOMA:
            return _("before the diploma exam")
        case Status.GRADUATED_DIPLOMA:
            return _("graduated")


def level_text(enrolment: Enrolment) -> str:
    """Return level and form of a programme in words; an unknown code as it is."""
    levels = {
        "1": _("first cycle"),
        "2": _("second cycle"),
        "JM": _("long cycle"),
        "3": _("doctoral school"),
        "PD": _("postgraduate studies"),
    }
    forms = {"S": _("full-time"), "N": _("part-time")}
    return f"{levels.get(enrolment.level, enrolment.level)}, {forms.get(enrolment.form, enrolment.form)}"


def role_text(role: str) -> str:
    """Return what a member of staff is here."""
    return {
        Role.CLERK.value: _("clerk"),
        Role.OPERATOR.value: _("operator"),
        Role.ADMINISTRATOR.value: _("administrator"),
    }.get(role, role)
