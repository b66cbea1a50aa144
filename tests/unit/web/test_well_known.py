"""Addresses that programs ask every site for."""

from datetime import UTC, datetime, timedelta

from flask.testing import FlaskClient

from idp.web.settings import WebSettings
from tests.support.pages import Build


def test_security_txt_says_where_to_report(build: Build) -> None:
    web = WebSettings(base_url="http://localhost", security_contact="mailto:security@po.edu.pl")
    answer = build(web).test_client().get("/.well-known/security.txt")
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())

    assert answer.content_type == "text/plain; charset=utf-8"
    assert fields["Contact"] == "mailto:security@po.edu.pl"
    assert fields["Canonical"] == "http://localhost/.well-known/security.txt"
    expires = datetime.fromisoformat(fields["Expires"])
    assert timedelta(days=30) < expires - datetime.now(UTC) < timedelta(days=366)  # RFC 9116, section 2.5.5


def test_without_a_contact_there_is_no_security_txt(client: FlaskClient) -> None:
    assert client.get("/.well-known/security.txt").status_code == 404


def test_robots_stay_out(client: FlaskClient) -> None:
    assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"


def test_the_mark_is_there_for_those_who_do_not_read_the_page(client: FlaskClient) -> None:
    answer = client.get("/favicon.ico")

    assert answer.content_type.startswith("image/svg+xml")
    assert answer.data == client.get("/static/mark.svg").data


def test_what_cannot_exist_is_not_found(client: FlaskClient) -> None:
    """Password managers believe the status of /.well-known/change-password only where this one is refused."""
    answer = client.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200")

    assert answer.status_code == 404


def test_a_slash_at_the_end_changes_nothing(client: FlaskClient) -> None:
    assert client.get("/two-rules/").status_code == 200
