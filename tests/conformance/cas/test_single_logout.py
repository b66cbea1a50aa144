"""Signing out once is out everywhere."""

from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import etree

from idp.sso import sessions
from idp.sso.sign_out import RETRIES_S
from idp.store.accounts import set_enabled
from idp.store.base import Databases
from tests.integration.cas.conftest import PASSWORD
from tests.support.clock import ManualClock
from tests.support.sign_on import Application, Browser, SignOn, ticket_in

ANSWERS_BY_REDIRECT = """
id = "answers"
name = {{ pl = "Odpowiada przekierowaniem", en = "Answers by a redirect" }}
owner = "tests"
logout = {{ redirect_confirms = true }}
[[url]]
schemes = ["http"]
host = "127.0.0.1"
port = {port}
path_prefix = "/"
"""
SAMLP = {"samlp": "urn:oasis:names:tc:SAML:2.0:protocol"}


def visit(browser: Browser, url: str) -> str:
    """Sign on to an application that validates its ticket, and return the ticket."""
    ticket = browser.ticket(url)
    assert "authenticationSuccess" in browser.open("/cas/p3/serviceValidate", service=url, ticket=ticket).text
    return ticket


def told(application: Application) -> list[tuple[str, str]]:
    """Return path and ended ticket of each logout that came in."""
    logouts = []
    for method, path, body in application.requests:
        (document,) = parse_qs(body.decode())["logoutRequest"]
        ended = etree.fromstring(document).findtext("samlp:SessionIndex", namespaces=SAMLP)
        assert (method, body[:14]) == ("POST", b"logoutRequest=")
        assert not {"+", "%"} & set(document)
        logouts.append((path, ended or ""))
    return logouts


def test_2_3_2_logout_ends_the_session_and_says_so(signed_in: Browser) -> None:
    page = signed_in.open("/cas/logout", lang="en")

    assert "You are signed out" in page.text
    assert "idp_sso=; Expires=Thu, 01 Jan 1970" in str(page.headers)
    assert 'name="password"' in signed_in.open("/cas/login").text


def test_2_3_3_every_application_is_told_with_its_ticket(signed_in: Browser, application: Application) -> None:
    first = visit(signed_in, f"{application.url}/one?x=1")
    second = visit(signed_in, f"{application.url}/two")

    page = signed_in.open("/cas/logout", lang="en")

    assert sorted(told(application)) == [("/one?x=1", first), ("/two", second)]
    assert "Registered on this machine: <span" in page.text
    assert "signed out" in page.text


def test_an_application_that_never_validated_is_not_told(signed_in: Browser, application: Application) -> None:
    signed_in.ticket(f"{application.url}/one")
    signed_in.open("/cas/logout")

    assert told(application) == []


def test_a_logout_that_fails_is_owed_until_confirmed(
    sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
) -> None:
    visit(signed_in, application.url)
    application.status = 500
    assert "has not answered yet" in signed_in.open("/cas/logout", lang="en").text
    assert sign_on.sign_out.sweep() == 0  # not yet due
    application.status = 200
    clock.advance(RETRIES_S[0])

    assert sign_on.sign_out.sweep() == 1
    assert sign_on.sign_out.sweep() == 0
    assert len(told(application)) == 2
    assert sign_on.events("logout.confirmed") == [("anna", "")]


def test_a_logout_is_given_up_in_the_end(
    sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
) -> None:
    visit(signed_in, application.url)
    application.status = 302  # a page that sends to sign in confirms nothing
    signed_in.open("/cas/logout")
    for wait in RETRIES_S:
        clock.advance(wait)
        assert sign_on.sign_out.sweep() == 1
    clock.advance(7 * 24 * 3600)

    assert sign_on.sign_out.sweep() == 0
    assert sign_on.events("logout.given_up") == [("anna", "target_rejected: HTTP 302")]
    assert sign_on.sign_out.forget_settled() == 1


def test_a_redirect_confirms_where_the_registration_says_so(
    sign_on: SignOn, signed_in: Browser, application: Application
) -> None:
    """mod_auth_cas and django-cas-ng end the session and answer so; see docs/domain.md."""
    sign_on.register("answers", ANSWERS_BY_REDIRECT.format(port=urlsplit(application.url).port))
    visit(signed_in, application.url)
    application.status = 302

    assert "Answers by a redirect: <span" in signed_in.open("/cas/logout", lang="en").text
    assert sign_on.events("logout.confirmed") == [("anna", "")]


def test_a_logout_fits_into_what_mod_auth_cas_reads(signed_in: Browser, application: Application) -> None:
    """It takes 1,023 bytes of the body, in a buffer of its own, and parses what they hold."""
    visit(signed_in, application.url)
    signed_in.open("/cas/logout")

    ((_, _, body),) = application.requests
    assert len(body) < 1024


def test_the_sweep_finishes_what_a_killed_process_owed(
    sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
) -> None:
    ticket = visit(signed_in, f"{application.url}/app")
    (session,) = sessions.list_of(sign_on.raw, clock, "anna")
    sessions.end(sign_on.raw, clock, [session.session_id], sessions.Ended.SIGNED_OUT)  # and nobody sends
    clock.advance(sessions.SENDING_S)

    assert sign_on.sign_out.sweep() == 1
    assert told(application) == [("/app", ticket)]


def test_a_closed_account_is_told_to_its_applications(
    sign_on: SignOn, signed_in: Browser, application: Application, databases: Databases, clock: ManualClock
) -> None:
    ticket = visit(signed_in, f"{application.url}/app")
    assert sessions.sweep_closed(sign_on.raw, clock) == 0
    with databases.identity.write() as connection:
        set_enabled(connection, "anna", False)

    assert sessions.sweep_closed(sign_on.raw, clock) == 1
    sign_on.sign_out.sweep()
    assert told(application) == [("/app", ticket)]
    assert sign_on.events("session.ended") == [("anna", "account_closed")]


def test_another_person_in_the_same_browser_ends_the_session_before(
    sign_on: SignOn, signed_in: Browser, application: Application, databases: Databases
) -> None:
    ticket = visit(signed_in, f"{application.url}/app")
    with databases.identity.write() as connection:
        set_enabled(connection, "disabled", True)

    signed_in.sign_in("777", PASSWORD, renew="true", service=application.url)
    sign_on.sign_out.close()

    assert told(application) == [("/app", ticket)]
    assert sign_on.events("session.ended") == [("anna", "replaced")]


def test_signing_in_again_keeps_the_applications_of_the_session(signed_in: Browser, application: Application) -> None:
    first = visit(signed_in, f"{application.url}/one")
    assert ticket_in(signed_in.sign_in("12345", PASSWORD, renew="true", service=f"{application.url}/two"))
    assert told(application) == []

    signed_in.open("/cas/logout")

    assert told(application) == [("/one", first)]


def test_2_3_2_a_registered_service_is_returned_to(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/logout", service="http://127.0.0.1:9000/bye")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "http://127.0.0.1:9000/bye"


@pytest.mark.parametrize("parameter", ["service", "url"])
def test_an_unregistered_address_is_neither_followed_nor_shown(signed_in: Browser, parameter: str) -> None:
    answer = signed_in.open("/cas/logout", **{parameter: "https://evil.example/"})

    assert answer.status_code == 200
    assert "://evil" not in answer.text
    assert "Location" not in answer.headers


def test_the_older_url_is_a_link_when_it_is_registered(signed_in: Browser) -> None:
    page = signed_in.open("/cas/logout", url="http://127.0.0.1:9000/bye")

    assert page.status_code == 200
    assert 'href="http://127.0.0.1:9000/bye"' in page.text


def test_a_silent_application_does_not_keep_the_page_waiting_and_is_told_on(
    sign_on: SignOn, signed_in: Browser
) -> None:
    visit(signed_in, "http://127.0.0.1:1/nobody-listens")

    assert "has not answered yet" in signed_in.open("/cas/logout", lang="en").text


def test_a_service_may_want_the_document_itself_as_the_body(
    sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
) -> None:
    port = application.url.rsplit(":", 1)[1]
    sign_on.register(
        "raw",
        f"""
id = "raw"
name = {{ pl = "Surowa", en = "Raw" }}
owner = "tests"
logout = {{ to = "service", body = "raw" }}
[[url]]
schemes = ["http"]
host = "127.0.0.1"
port = {port}
path = "/raw"
""",
    )
    clock.advance(5)
    ticket = visit(signed_in, f"{application.url}/raw")
    signed_in.open("/cas/logout")

    ((_, path, body),) = application.requests
    assert path == "/raw"
    assert etree.fromstring(body).findtext("samlp:SessionIndex", namespaces=SAMLP) == ticket
