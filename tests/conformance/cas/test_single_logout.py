"""Signing out once is out everywhere."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import etree

from idp.db.databases import Databases
from idp.people.account_queries import set_enabled
from idp.sso import sessions
from idp.sso.sign_out import BACKOFF, MAX_ATTEMPTS
from tests.conformance.cas.broken import (
    broken_by,
    follows,
    ignores,
    keeps_the_session,
    posts,
    says,
    status,
    takes_any_case,
    tells_nobody,
)
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
LOGOUT = "/cas/logout"
FOLLOWS_ANYTHING = says("^.*$", '<a href="https://evil.example/">', LOGOUT)
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


@broken_by(says("signed out", "", LOGOUT), says("1970", "2070", LOGOUT, "Set-Cookie"))
def test_2_3_2_logout_ends_the_session_and_says_so(signed_in: Browser) -> None:
    page = signed_in.open("/cas/logout", lang="en")

    assert "You are signed out" in page.text
    assert "idp_sso=; Expires=Thu, 01 Jan 1970" in str(page.headers)
    assert 'name="password"' in signed_in.open("/cas/login").text


@broken_by(tells_nobody(), posts("ST-", "ST-X"))
def test_2_3_3_every_application_is_told_with_its_ticket(signed_in: Browser, application: Application) -> None:
    first = visit(signed_in, f"{application.url}/one?x=1")
    second = visit(signed_in, f"{application.url}/two")

    page = signed_in.open("/cas/logout", lang="en")

    assert sorted(told(application)) == [("/one?x=1", first), ("/two", second)]
    assert "Registered on this machine: <span" in page.text
    assert "signed out" in page.text


@broken_by(keeps_the_session("session"))
def test_2_3_after_signing_out_no_ticket_is_given(signed_in: Browser) -> None:
    cookie = signed_in.client.get_cookie("idp_sso")
    assert cookie is not None
    signed_in.open("/cas/logout")
    signed_in.client.set_cookie("idp_sso", cookie.value)  # a browser that keeps it all the same

    assert 'name="password"' in signed_in.open("/cas/login", service="http://127.0.0.1:9000/app").text


@broken_by(takes_any_case("service"))
def test_2_3_1_parameter_names_are_case_sensitive(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/logout", SERVICE="http://127.0.0.1:9000/bye")

    assert answer.status_code == 200


@broken_by(status(502, LOGOUT))
def test_2_3_3_1_an_application_that_fails_disturbs_nobody(signed_in: Browser, application: Application) -> None:
    visit(signed_in, f"{application.url}/one")
    application.status = 500

    page = signed_in.open("/cas/logout", lang="en")

    assert page.status_code == 200
    assert "You are signed out" in page.text


@broken_by(
    posts('Version="2.0"', ""),
    posts("@NOT_USED@", ""),
    posts(' ID="[^"]+"', ""),
    posts('Z"', '"'),
    posts("(?<=SessionIndex>)(?=ST)", " "),
)
def test_appendix_c_the_document_is_a_saml_logout_request(signed_in: Browser, application: Application) -> None:
    ticket = visit(signed_in, f"{application.url}/one")
    signed_in.open("/cas/logout")

    ((method, _, body),) = application.requests
    (text,) = parse_qs(body.decode())["logoutRequest"]
    document = etree.fromstring(text)
    assert method == "POST"
    assert document.tag == "{urn:oasis:names:tc:SAML:2.0:protocol}LogoutRequest"
    assert document.get("Version") == "2.0"
    assert re.fullmatch(r"LR-\w{16,}", document.get("ID", ""))
    assert document.get("IssueInstant") == "2026-10-01T10:00:00Z"
    assert document.findtext("{urn:oasis:names:tc:SAML:2.0:assertion}NameID") == "@NOT_USED@"
    assert f"<samlp:SessionIndex>{ticket}</samlp:SessionIndex>" in text


def test_an_application_that_never_validated_is_not_told(signed_in: Browser, application: Application) -> None:
    signed_in.ticket(f"{application.url}/one")
    signed_in.open("/cas/logout")

    assert told(application) == []


def test_a_logout_that_fails_is_sent_until_confirmed(
    sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
) -> None:
    visit(signed_in, application.url)
    application.status = 500
    assert "not confirmed yet" in signed_in.open("/cas/logout", lang="en").text
    assert sign_on.sign_out.sweep() == 0  # not yet due
    application.status = 200
    clock.advance(BACKOFF.wait_s(1))

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
    for attempts in range(1, MAX_ATTEMPTS):
        assert sign_on.sign_out.sweep() == 0  # not yet due
        clock.advance(BACKOFF.wait_s(attempts))
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


def test_the_sweep_finishes_what_a_killed_process_left(
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
    sweep = sessions.ClosedAccounts(sign_on.raw, clock).sweep
    assert sweep() == 0
    with databases.identity.write() as connection:
        set_enabled(connection, "anna", False)

    assert sweep() == 1
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


@broken_by(tells_nobody())
def test_2_3_3_signing_in_again_keeps_the_applications_of_the_session(
    signed_in: Browser, application: Application
) -> None:
    first = visit(signed_in, f"{application.url}/one")
    assert ticket_in(signed_in.sign_in("12345", PASSWORD, renew="true", service=f"{application.url}/two"))
    assert told(application) == []

    signed_in.open("/cas/logout")

    assert told(application) == [("/one", first)]


@broken_by(ignores("service", LOGOUT))
def test_2_3_2_a_registered_service_is_returned_to(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/logout", service="http://127.0.0.1:9000/bye")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "http://127.0.0.1:9000/bye"


@pytest.mark.parametrize("parameter", ["service", "url"])
@broken_by(FOLLOWS_ANYTHING)
def test_2_3_2_an_unregistered_address_is_neither_followed_nor_shown(signed_in: Browser, parameter: str) -> None:
    answer = signed_in.open("/cas/logout", **{parameter: "https://evil.example/"})

    assert answer.status_code == 200
    assert "://evil" not in answer.text
    assert "Location" not in answer.headers


@broken_by(follows("url", LOGOUT))
def test_2_3_1_the_older_url_is_never_followed(signed_in: Browser) -> None:
    page = signed_in.open("/cas/logout", url="http://127.0.0.1:9000/bye")

    assert page.status_code == 200
    assert 'href="http://127.0.0.1:9000/bye"' in page.text


@broken_by(says("not confirmed yet", "", LOGOUT))
def test_2_3_3_1_a_silent_application_does_not_keep_the_page_waiting(sign_on: SignOn, signed_in: Browser) -> None:
    visit(signed_in, "http://127.0.0.1:1/nobody-listens")

    assert "not confirmed yet" in signed_in.open("/cas/logout", lang="en").text


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
