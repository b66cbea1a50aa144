"""The forms of the portal: read what was sent, name what is missing. Nothing is looked up here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from flask_babel import gettext as _

from idp.accounts.claim import Typed
from idp.accounts.settings import Detail
from idp.errors import InvalidAlbum
from idp.people.values import Album, parse_album

LONGEST = 100  # characters of one field; names have 64 at most
DATE_FORMS = ("%Y-%m-%d", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%Y", "%Y%m%d", "%d %m %Y")
OWN = "own"  # the choice "a name of my own" beside the proposals

Errors = dict[str, str]


@dataclass(frozen=True, slots=True)
class ClaimForm:
    """What was sent, to be shown again, and what it means if nothing is wrong with it."""

    sent: Mapping[str, str]
    errors: Errors
    album: Album | None
    typed: Typed


def read_claim(form: Mapping[str, str], asked: Collection[Detail]) -> ClaimForm:
    """Return the claim in a form; only what the university asks for is read."""
    sent = {name: form.get(name, "").strip()[:LONGEST] for name in ("album", *asked)}
    errors: Errors = {}
    album = _album(sent["album"], errors)
    born_on = _date(sent, errors) if Detail.DATE_OF_BIRTH in asked else None
    names = [detail for detail in (Detail.GIVEN_NAME, Detail.SURNAME) if detail in asked]
    # Somebody with one name leaves the other field empty.
    if names and not any(sent[name] for name in names):
        errors[names[-1]] = _("Enter your name as in your identity document.")
    if Detail.ID_END in asked and len(sent[Detail.ID_END]) < 4:
        errors[Detail.ID_END] = _("Enter the last 4 characters of your PESEL or identity document number.")
    typed = Typed(
        given_name=sent.get(Detail.GIVEN_NAME, ""),
        surname=sent.get(Detail.SURNAME, ""),
        date_of_birth=born_on,
        id_end=sent.get(Detail.ID_END, ""),
    )
    return ClaimForm(sent, errors, album, typed)


def read_new_password(form: Mapping[str, str]) -> tuple[str, Errors]:
    """Return the password that was typed twice, and what is wrong with the two fields."""
    password, again = form.get("password", ""), form.get("password_again", "")
    if not password:
        return "", {"password": _("Choose a password.")}
    if password != again:
        return password, {"password_again": _("The passwords don't match. Type the same one in both fields.")}
    return password, {}


def read_mail_name(form: Mapping[str, str]) -> tuple[str, Errors]:
    """Return the mail name that was chosen or typed; what contradicts itself is asked again, for a name is for ever."""
    choice, own = form.get("mail_name", "").strip(), form.get("own_name", "").strip()[:LONGEST]
    if choice == OWN or (own and not choice):
        return own, {} if own else {"own_name": _("Type the address you want.")}
    if own and own != choice:
        return choice, {
            "own_name": _("You chose a proposal and also typed an address of your own. Choose one of them.")
        }
    return choice[:LONGEST], {} if choice else {"mail_name": _("Choose one of the addresses.")}


def _album(text: str, errors: Errors) -> Album | None:
    try:
        return parse_album(text)
    except InvalidAlbum:
        errors["album"] = _("Enter your album number: digits only. It is printed on your student ID card.")
        return None


def _date(sent: Mapping[str, str], errors: Errors) -> date | None:
    text = sent[Detail.DATE_OF_BIRTH]
    for form in DATE_FORMS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a birthday has no time zone
        except ValueError:
            continue
    errors[Detail.DATE_OF_BIRTH] = _("Enter your date of birth as year, month and day, such as 2007-03-14.")
    return None
