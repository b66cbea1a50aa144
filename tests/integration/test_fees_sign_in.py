"""Fees and the sign-on service, two processes to each other: sign in, sign out here, sign out there."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.fees import tables
from idp.fees.app import new_application
from idp.fees.database import Database
from idp.fees.journal import latest
from idp.fees.settings import CasSettings, FeesWebSettings, Settings
from idp.fees.students import import_students
from idp.keys.key_files import Keys
from tests.support.clock import ManualClock
from tests.support.fees import registry_export, sqlite_fees, student_row
from tests.support.sign_on import Browser, SignOn, build_sign_on, give_password, serving, ticket_in
from tests.support.students import SEEN, Student, add_student

PASSWORD = "zażółć gęślą jaźń"
FEES = """
id = "fees"
name = { pl = "Opłaty", en = "Fees" }
owner = "tests"
principal = "uid"
attributes = ["album"]

[[url]]
schemes = ["http"]
host = "localhost"
port = %s
path_prefix = "/"
"""


class Socket:
    """A place for an application that is made when its port is known."""

    app: Flask

    def __call__(self, environ: object, start: object) -> Iterable[bytes]:
        return self.app(environ, start)  # type: ignore[arg-type] # WSGI passes both on


@dataclass
class Both:
    """The sign-on service and the fees application, each listening on its port."""

    sign_on: SignOn
    fees: Flask
    database: Database
    fees_url: str

    def visitors(self) -> tuple[FlaskClient, Browser]:
        """Return one person's browser, as each of the two sees it."""
        return self.fees.test_client(), self.sign_on.browser()

    def sign_in(self, here: FlaskClient, there: Browser, username: str) -> TestResponse:
        """Walk from "Sign in" through CAS and back, and return the page at the end."""
        arrived = self.come_back(here, self.way_back(here, there, username))
        assert (arrived.status_code, arrived.location) == (303, "/fees"), arrived.text
        return here.get("/fees?lang=en")

    def way_back(self, here: FlaskClient, there: Browser, username: str) -> dict[str, str]:
        """Press "Sign in", sign in at CAS, and return the query with which it sends the browser back."""
        return query_of(there.sign_in(username, PASSWORD, service=self.press_log_in(here)).location)

    def press_log_in(self, here: FlaskClient) -> str:
        """Return the address that the browser takes along to CAS as that of the service."""
        asked = here.get("/login")
        assert asked.status_code == 303
        service = query_of(asked.location)["service"]
        assert service.startswith(f"{self.fees_url}/login?state=")
        return service

    def come_back(self, here: FlaskClient, query: dict[str, str]) -> TestResponse:
        return here.get("/login", query_string=query)

    def events(self) -> list[tuple[str, str]]:
        with self.database.read() as connection:
            return [(event["kind"], event["actor"]) for event in latest(connection, 10)]


def query_of(address: str | None) -> dict[str, str]:
    """Return the query of a redirect."""
    return dict(parse_qsl(urlsplit(address or "").query))


@pytest.fixture
def both(databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path) -> Iterator[Both]:
    slapd.reset()
    for person, album in (("anna", "12345"), ("new", "999")):
        student = add_student(databases, keys, Student(person, album=album, claimed_at=SEEN))
        give_password(slapd, student.uid, PASSWORD)
    with ExitStack() as stack:
        sign_on = stack.enter_context(build_sign_on(databases, keys, clock, slapd, tmp_path / "applications"))
        socket = Socket()
        fees_url = stack.enter_context(serving(cast("Flask", socket))).replace("127.0.0.1", "localhost")
        port = int(fees_url.rsplit(":", 1)[1])
        sign_on.register("fees", FEES % port)
        cas_url = stack.enter_context(serving(sign_on.app)) + "/cas/"
        database = stack.enter_context(sqlite_fees(tmp_path / "fees"))
        settings = Settings(
            web=FeesWebSettings(base_url=fees_url, port=port, trusted_hosts=["localhost"]),
            cas=CasSettings(server_url=cas_url, timeout_s=10),
        )
        export = registry_export(tmp_path / "export.csv", [student_row()])
        import_students(database, settings.fees, "Europe/Warsaw", clock, export, "test")
        socket.app = new_application(settings, database, b"k" * 64, clock)
        yield Both(sign_on, socket.app, database, fees_url)


def test_a_student_signs_in_through_cas_and_sees_their_own_fees(both: Both) -> None:
    page = both.sign_in(*both.visitors(), "12345")

    assert page.status_code == 200
    assert "Żaneta Źdźbło-Ćwik, album number 12345" in page.text
    assert [word for word, _ in both.events()] == ["sign_in.succeeded", "students.imported"]


def test_who_has_a_session_there_is_not_asked_for_the_password_again(both: Both) -> None:
    here, there = both.visitors()
    there.sign_in("12345", PASSWORD)

    arrived = both.come_back(here, query_of(there.open("/cas/login", service=both.press_log_in(here)).location))

    assert arrived.location == "/fees"


def test_somebody_known_there_and_not_yet_here_reads_when_data_come(both: Both) -> None:
    page = both.sign_in(*both.visitors(), "999")

    assert "Your data hasn't arrived yet" in page.text


def test_a_ticket_works_once(both: Both) -> None:
    here, there = both.visitors()
    used = both.way_back(here, there, "12345")
    assert both.come_back(here, used).location == "/fees"

    thief = both.fees.test_client()
    thief.set_cookie("fees_login", used["state"], domain="localhost")
    answer = both.come_back(thief, used)

    assert answer.status_code == 403
    assert thief.get("/fees").location == "/login"
    assert both.events()[0][0] == "sign_in.refused"
    assert thief.get_cookie("fees_login", domain="localhost") is None


def test_a_ticket_of_somebody_elses_sign_in_signs_nobody_in_and_is_not_redeemed(both: Both) -> None:
    """A foreign page sends the browser of somebody who is just signing in here with the ticket of another person."""
    outsider, stranger_there = both.visitors()
    foreign = both.way_back(outsider, stranger_there, "999")
    victim, victim_there = both.visitors()
    own = both.way_back(victim, victim_there, "12345")

    answers = [
        both.come_back(victim, foreign),
        both.come_back(victim, {"ticket": foreign["ticket"]}),
        both.come_back(victim, {"ticket": foreign["ticket"], "state": "ż"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "fees_session" not in str([answer.headers for answer in answers])
    assert victim.get("/fees").location == "/login"
    assert both.come_back(outsider, foreign).location == "/fees"  # the ticket was left unused
    assert both.come_back(victim, own).location == "/fees"  # and the victim's own sign-in goes on
    assert "album number 12345" in victim.get("/fees?lang=en").text


def test_a_foreign_ticket_under_ones_own_state_is_refused(both: Both) -> None:
    outsider, stranger_there = both.visitors()
    foreign = both.way_back(outsider, stranger_there, "999")
    victim = both.fees.test_client()
    state = query_of(both.press_log_in(victim))["state"]

    answer = both.come_back(victim, {"ticket": foreign["ticket"], "state": state})

    assert answer.status_code == 403
    assert victim.get("/fees").location == "/login"


def test_of_two_tabs_the_later_sign_in_counts(both: Both) -> None:
    here, there = both.visitors()
    older = both.way_back(here, there, "12345")
    later = query_of(there.open("/cas/login", service=both.press_log_in(here)).location)

    assert both.come_back(here, older).status_code == 403
    assert both.come_back(here, later).location == "/fees"
    assert both.come_back(here, older).location == "/fees"  # signed in already


def test_a_ticket_for_another_application_is_refused(both: Both) -> None:
    here, there = both.visitors()
    state = query_of(both.press_log_in(here))["state"]
    ticket = ticket_in(there.sign_in("12345", PASSWORD, service="http://127.0.0.1:9000/app"))

    assert both.come_back(here, {"ticket": ticket, "state": state}).status_code == 403


def test_signing_out_there_closes_the_session_here(both: Both) -> None:
    here, there = both.visitors()
    both.sign_in(here, there, "12345")

    there.open("/cas/logout")

    assert here.get("/fees").location == "/login"
    assert both.events()[0] == ("session.ended", "cas")


def test_signing_out_there_leaves_the_sessions_of_others(both: Both) -> None:
    here, there = both.visitors()
    both.sign_in(here, there, "12345")
    other, other_there = both.visitors()
    both.sign_in(other, other_there, "999")

    other_there.open("/cas/logout")

    assert here.get("/fees").status_code == 200
    assert other.get("/fees").status_code == 303


def test_signing_out_here_is_signing_out_there(both: Both) -> None:
    here, there = both.visitors()
    page = both.sign_in(here, there, "12345").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]

    away = here.post("/logout", data={"csrf_token": token})
    said = there.client.get("/cas/" + away.location.split("/cas/", 1)[1])

    assert said.status_code == 200
    assert here.get("/fees").location == "/login"
    assert there.form(service=both.press_log_in(here))  # asked for the password again


def test_while_cas_does_not_answer_the_page_says_so_and_nobody_is_signed_in(both: Both) -> None:
    settings = Settings(
        web=FeesWebSettings(trusted_hosts=["localhost"]), cas=CasSettings(server_url="http://127.0.0.1:9/cas/")
    )
    here = new_application(settings, both.database, b"k" * 64, both.sign_on.clock).test_client()
    state = query_of(query_of(here.get("/login").location)["service"])["state"]

    page = here.get("/login", query_string={"ticket": "ST-1", "state": state, "lang": "en"})

    assert page.status_code == 503
    assert "The sign-in service isn't responding" in page.text
    with both.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.session)) == 0
