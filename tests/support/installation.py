"""One installation as idp.app builds it, over a test's own databases, clock and slapd."""

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from deploy.openldap.private import PrivateSlapd
from idp.app.installation import Idp
from idp.app.pages import new_application
from idp.app.settings import Settings
from idp.clock import Clock
from idp.db.databases import Databases
from idp.keys.settings import KeysSettings
from idp.letters.settings import LettersSettings
from idp.web.settings import UniversitySettings, WebSettings
from tests.support.accounts import SETTINGS as ACCOUNTS
from tests.support.keys import write_key_files

BASE_URL = "http://localhost"
PL = {"Accept-Language": "pl"}


def settings_for(databases: Databases, slapd: PrivateSlapd, folder: Path, **sections: Any) -> Settings:
    """Return settings over what a test has; `sections` replace ours."""
    write_key_files(folder)
    ours = {
        "web": WebSettings(base_url=BASE_URL),
        "university": UniversitySettings(default_language="en"),
        "store": databases.settings,
        "keys": KeysSettings(folder=folder),
        "directory": slapd.settings,
        "accounts": ACCOUNTS,
        "letters": LettersSettings(folder=folder / "letters"),
    }
    return Settings(**{**ours, **sections})


@contextmanager
def installed(settings: Settings, clock: Clock) -> Iterator[Idp]:
    """Yield the installation and close it."""
    installation = Idp(settings, clock)
    try:
        yield installation
    finally:
        installation.signin_directory.close()
        installation.accounts_directory.close()
        installation.close()


class Browser:
    """A person at eStudent without JavaScript: opens pages, fills in their forms, follows where they lead."""

    def __init__(self, installation: Idp) -> None:
        app = new_application(installation)
        app.testing = True
        self.client: FlaskClient = app.test_client()

    def open(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        """Open a page as it is, without following."""
        return self.client.get(path, headers=headers)

    def send(self, path: str, values: Mapping[str, str], action: str = "") -> TestResponse:
        """Open a page and send its form with these values; hidden fields come from the page."""
        page = self.client.get(path).get_data(as_text=True)
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        hidden = {name: html.unescape(value) for name, value in fields.items()}
        headers = {"Origin": BASE_URL, "Referer": BASE_URL + path}
        return self.client.post(action or path, data={**hidden, **values}, headers=headers)

    def sign_in(self, name: str, password: str) -> TestResponse:
        """Sign in through CAS and return the last page."""
        login = urlsplit(self.open("/login").headers["Location"])
        answer = self.send(f"{login.path}?{login.query}", {"username": name, "password": password})
        return self.follow(answer)

    def follow(self, answer: TestResponse) -> TestResponse:
        """Follow redirects on our host to the page where they end."""
        while answer.status_code in (302, 303):
            where = urlsplit(answer.headers["Location"])
            answer = self.client.get(f"{where.path}?{where.query}" if where.query else where.path)
        return answer


def text_of(answer: TestResponse) -> str:
    """Return what a reader sees of a page, roughly: without markup, blanks run together."""
    page = re.sub(r"(?s)<(script|style|svg).*?</\1>|<[^>]+>", " ", answer.get_data(as_text=True))
    return " ".join(html.unescape(page).split())
