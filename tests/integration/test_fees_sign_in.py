"""Fees and the sign-on service, two processes to each other: sign in, sign out here, sign out there."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from deploy.openldap.private import PrivateSlapd
from idp.fees import tables
from idp.fees.app import new_application
from idp.fees.database import Database
from idp.fees.journal import latest
from idp.fees.settings import CasSettings, FeesWebSettings, Settings
from idp.fees.students import take_students
from idp.store.base import Databases
from idp.store.keys import Keys
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

    @property
    def service(self) -> str:
        return f"{self.fees_url}/login"

    def visitors(self) -> tuple[FlaskClient, Browser]:
        """Return one person's browser, as each of the two sees it."""
        return self.fees.test_client(), self.sign_on.browser()

    def sign_in(self, here: FlaskClient, there: Browser, username: str) -> TestResponse:
        """Walk from "Log in" through CAS and back, and return the page at the end."""
        assert here.get("/login").status_code == 303
        ticket = ticket_in(there.sign_in(username, PASSWORD, service=self.service))
        arrived = here.get("/login", query_string={"ticket": ticket})
        assert (arrived.status_code, arrived.location) == (303, "/fees"), arrived.text
        return here.get("/fees?lang=en")

    def events(self) -> list[tuple[str, str]]:
        with self.database.read() as connection:
            return [(event["word"], event["actor"]) for event in latest(connection, 10)]


@pytest.fixture
def both(databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path) -> Iterator[Both]:
    slapd.reset()
    for person, album in (("anna", "12345"), ("new", "999")):
        student = add_student(databases, keys, Student(person, album=album, claimed_at=SEEN))
        give_password(slapd, student.uid, PASSWORD)
    with ExitStack() as stack:
        sign_on = stack.enter_context(build_sign_on(databases, keys, clock, slapd, tmp_path / "services"))
        socket = Socket()
        fees_url = stack.enter_context(serving(cast("Flask", socket))).replace("127.0.0.1", "localhost")
        port = int(fees_url.rsplit(":", 1)[1])
        sign_on.register("fees", FEES % port)
        cas_url = stack.enter_context(serving(sign_on.app)) + "/cas/"
        database = stack.enter_context(sqlite_fees(tmp_path / "fees"))
        settings = Settings(
            web=FeesWebSettings(base_url=fees_url, port=port), cas=CasSettings(server_url=cas_url, timeout_s=10)
        )
        export = registry_export(tmp_path / "export.csv", [student_row()])
        take_students(database, settings.fees, "Europe/Warsaw", clock, export, "test")
        socket.app = new_application(settings, database, b"k" * 64, clock)
        yield Both(sign_on, socket.app, database, fees_url)


def test_a_student_signs_in_through_cas_and_sees_their_own_fees(both: Both) -> None:
    page = both.sign_in(*both.visitors(), "12345")

    assert page.status_code == 200
    assert "Żaneta Źdźbło-Ćwik, album number 12345" in page.text
    assert [word for word, _ in both.events()] == ["sign_in.succeeded", "students.taken"]


def test_who_has_a_session_there_is_not_asked_for_the_password_again(both: Both) -> None:
    here, there = both.visitors()
    there.sign_in("12345", PASSWORD)

    here.get("/login")
    arrived = here.get("/login", query_string={"ticket": there.ticket(both.service)})

    assert arrived.location == "/fees"


def test_somebody_known_there_and_not_yet_here_reads_when_data_come(both: Both) -> None:
    page = both.sign_in(*both.visitors(), "999")

    assert "Your data has not arrived here yet" in page.text


def test_a_ticket_works_once(both: Both) -> None:
    here, there = both.visitors()
    here.get("/login")
    ticket = ticket_in(there.sign_in("12345", PASSWORD, service=both.service))
    here.get("/login", query_string={"ticket": ticket})

    thief = both.fees.test_client()
    thief.get("/login")
    answer = thief.get("/login", query_string={"ticket": ticket})

    assert answer.status_code == 403
    assert thief.get("/fees").location == "/login"
    assert both.events()[0][0] == "sign_in.refused"


def test_a_ticket_for_another_application_is_refused(both: Both) -> None:
    here, there = both.visitors()
    here.get("/login")
    ticket = ticket_in(there.sign_in("12345", PASSWORD, service="http://127.0.0.1:9000/app"))

    assert here.get("/login", query_string={"ticket": ticket}).status_code == 403


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
    assert there.form(service=both.service)  # asked for the password again


def test_while_cas_does_not_answer_the_page_says_so_and_nobody_is_signed_in(both: Both) -> None:
    settings = Settings(cas=CasSettings(server_url="http://127.0.0.1:9/cas/"))
    here = new_application(settings, both.database, b"k" * 64, both.sign_on.clock).test_client()
    here.get("/login")

    page = here.get("/login", query_string={"ticket": "ST-1", "lang": "en"})

    assert page.status_code == 503
    assert "The sign-in service does not answer" in page.text
    with both.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.session)) == 0
