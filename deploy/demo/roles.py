"""Give the demo its people: they go through the pages and commands that everybody goes through."""

from dataclasses import dataclass
from typing import Any

from deploy.demo.memory import Memory
from deploy.demo.people import Candidate, new_password
from deploy.demo.visitor import LostWay, Visitor
from idp.accounts.staff_queries import staff_by_mail
from idp.app.installation import open_idp
from idp.app.settings import Settings
from idp.audit.events import shell_actor
from idp.errors import ConfigError
from idp.permissions import Actor, Role

# name in access.json -> role, given name, surname
STAFF = {
    "clerk": ("clerk", "Celina", "Okienko"),
    "operator-1": ("operator", "Olga", "Nadzór"),
    "operator-2": ("operator", "Oskar", "Dyżurny"),
    "administrator": ("administrator", "Adam", "Zarządca"),
}


@dataclass(frozen=True, slots=True)
class Roles:
    """The people of access.json, made once and remembered."""

    memory: Memory
    settings: Settings

    @property
    def are_missing(self) -> bool:
        return any(name not in self.memory for name in ("student", *STAFF))

    def play(self, unclaimed: list[Candidate]) -> None:
        """Let everybody who is missing claim, choose or join; who is there already stays as he is.

        Raises:  ConfigError when a page is not as expected
        """
        if not unclaimed:
            raise ConfigError("nobody in the sample can claim an account; begin anew with `make demo-reset`")
        try:
            if "student" not in self.memory:
                self.memory.keep("student", self._student(unclaimed[0]))
            for name, (role, given_name, surname) in STAFF.items():
                if name not in self.memory:
                    self.memory.keep(name, self._member_of_staff(name, role, given_name, surname))
        except LostWay as lost:
            raise ConfigError(f"the demo's people lost their way: {lost}") from lost

    def _student(self, who: Candidate) -> dict[str, Any]:
        """Claim the account, sign in by the album number, choose the first proposal of a mail name."""
        password = new_password()
        visitor = Visitor(self.settings.web.base_url)
        visitor.visit("/account/new")
        visitor.submit(
            {
                "album": who.album,
                "given_name": who.given_name,
                "surname": who.surname,
                "date_of_birth": who.date_of_birth,
                "id_end": who.id_end,
            }
        )
        visitor.submit({}, password)
        visitor.must_be_at("/account/done")
        self._sign_in(visitor, who.album, password)
        visitor.visit("/software/mail")
        name = visitor.first_choice("mail_name")
        visitor.submit({"mail_name": name})
        visitor.must_be_at("/software/mail")
        people = self.settings.people
        return {
            "username": who.uid,
            "principal": who.uid,
            "mail": f"{name}@{people.mail_domain}",
            "alias": f"{people.alias_prefix}{who.album}@{people.mail_domain}",
            "album": who.album,
            "password": password,
        }

    def _member_of_staff(self, name: str, role: str, given_name: str, surname: str) -> dict[str, Any]:
        """Invite on the machine, join by the single-use link, sign in once to see that it works."""
        mail = f"{name}@{self.settings.people.scope}"
        password = new_password()
        with open_idp(self.settings) as installation:
            link = installation.staff_service.invite(
                mail, Role(role), given_name, surname, Actor(shell_actor(), Role.SHELL)
            )
        visitor = Visitor(self.settings.web.base_url)
        visitor.visit(link)
        visitor.submit({"given_name": given_name, "surname": surname}, password)
        visitor.must_be_at("/staff/joined")
        self._sign_in(visitor, mail, password)
        with open_idp(self.settings) as installation, installation.databases.identity.read() as connection:
            member = staff_by_mail(connection, mail)
        if member is None:
            raise LostWay(f"nobody of {mail} is on the staff")
        return {"username": member.uid, "mail": mail, "role": role, "password": password}

    def _sign_in(self, visitor: Visitor, identifier: str, password: str) -> None:
        visitor.visit("/cas/login")
        visitor.submit({"username": identifier}, password)
        visitor.must_be_known()
