"""/login: what it shows, where it leads, and where it never leads."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from idp.cas.urls import with_ticket
from tests.conformance.cas.broken import (
    broken_by,
    follows,
    forgets_the_session,
    gateway_wins_over_renew,
    ignores,
    says,
    spends_no_form,
    status,
    takes_any_case,
)
from tests.integration.cas.conftest import PASSWORD
from tests.support.sign_on import Browser, SignOn, hidden_fields, ticket_in

APP = "http://127.0.0.1:9000/app"
LOGIN = "/cas/login"
HIDES_THE_FORM = says('name="password"', "")


@broken_by(
    says('name="username"', 'name="user"'),
    says('name="password"', 'name="pass"'),
    says('name="lt"', 'name="form"'),
    says('name="service"', 'name="application"'),
    says('method="post"', 'method="get"'),
)
def test_2_1_3_the_form_has_username_password_lt_and_the_service(visitor: Browser) -> None:
    page = visitor.open("/cas/login", service=APP, lang="en").text

    assert "Enter your username and password" in page
    assert re.search(r'<input[^>]+name="username"', page)
    assert re.search(r'<input[^>]+name="password"[^>]+type="password"', page)
    assert '<form method="post" action="/cas/login' in page
    assert hidden_fields(page).get("lt", "").startswith("LT-")
    assert hidden_fields(page).get("service") == APP
    assert "Warn me before signing me in to other applications." in page
    assert "Registered on this machine" in page
    assert "127.0.0.1" in page
    assert 'href="/account/new"' in page


@broken_by(HIDES_THE_FORM)
def test_2_1_1_without_service_or_session_credentials_are_asked_for(visitor: Browser) -> None:
    assert 'name="password"' in visitor.open(LOGIN).text


@broken_by(takes_any_case("service", "renew", "gateway"))
def test_2_1_1_parameter_names_are_case_sensitive(signed_in: Browser) -> None:
    page = signed_in.open(LOGIN, SERVICE=APP, Renew="true", Gateway="true", lang="en")

    assert page.status_code == 200
    assert "You are signed in" in page.text


@broken_by(forgets_the_session())
def test_2_1_5_a_session_is_sent_on_without_being_asked(signed_in: Browser) -> None:
    answer = signed_in.open(LOGIN, service=APP)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{APP}?ticket=ST-")


@broken_by(ignores("renew"))
def test_2_1_5_with_renew_a_session_is_asked_again(signed_in: Browser) -> None:
    assert 'name="password"' in signed_in.open(LOGIN, service=APP, renew="true").text


@broken_by(ignores("service", LOGIN))
def test_2_2_1_after_signing_in_the_service_is_returned_to(visitor: Browser) -> None:
    answer = visitor.sign_in("12345", PASSWORD, service=APP)

    assert answer.headers["Location"].startswith(f"{APP}?ticket=ST-")


@broken_by(ignores("method"))
def test_2_2_1_the_method_is_kept_over_the_form(visitor: Browser) -> None:
    page = visitor.sign_in("12345", PASSWORD, service=APP, method="POST")

    assert page.status_code == 200
    assert hidden_fields(page.text).get("ticket", "").startswith("ST-")


@broken_by(says("registered with the university", "", LOGIN))
def test_2_2_1_a_refused_service_is_told_why(visitor: Browser) -> None:
    page = visitor.open(LOGIN, service="https://evil.example/", lang="en")

    assert page.status_code == 403
    assert "registered with the university" in page.text


@broken_by(takes_any_case("username", "password"))
def test_2_2_2_the_names_of_the_credentials_are_case_sensitive(visitor: Browser) -> None:
    form = {**visitor.form(service=APP), "username": "12345", "PASSWORD": PASSWORD}

    assert visitor.client.post(LOGIN, data=form).status_code == 401


@broken_by(says("signed in", "", LOGIN))
def test_2_2_4_without_service_the_session_is_announced(visitor: Browser) -> None:
    answer = visitor.sign_in("12345", PASSWORD, lang="en")

    assert answer.status_code == 303
    assert "You are signed in" in visitor.open(answer.headers["Location"], lang="en").text


@broken_by(says("is not right", "", LOGIN), HIDES_THE_FORM)
def test_2_2_4_after_a_failed_login_the_form_says_why_and_may_be_tried_again(visitor: Browser) -> None:
    page = visitor.client.post(
        LOGIN, query_string={"lang": "en"}, data={**visitor.form(), "username": "12345", "password": "wrong"}
    )

    assert page.status_code == 401
    assert "Incorrect username or password" in page.text
    assert 'name="password"' in page.text


@broken_by(spends_no_form())
def test_3_5_1_a_login_ticket_is_good_once_after_a_success(visitor: Browser) -> None:
    form = {**visitor.form(service=APP), "username": "12345", "password": PASSWORD}
    assert visitor.client.post(LOGIN, data=form).status_code == 303

    assert visitor.client.post(LOGIN, data=form).status_code == 400


@broken_by(spends_no_form())
def test_3_5_1_a_login_ticket_is_good_once_after_a_failure(visitor: Browser) -> None:
    form = visitor.form(service=APP)
    visitor.client.post(LOGIN, data={**form, "username": "12345", "password": "wrong"})

    assert visitor.client.post(LOGIN, data={**form, "username": "12345", "password": PASSWORD}).status_code == 400


@broken_by(says("LT-[A-Z2-7]+", "LT-SAME"), says("LT-", "L-"))
def test_3_5_1_login_tickets_are_unique_and_begin_with_lt(visitor: Browser) -> None:
    tickets = [visitor.form().get("lt", "") for _ in range(20)]

    assert len(set(tickets)) == 20
    assert all(re.fullmatch(r"LT-[A-Za-z0-9-]{22,}", one) for one in tickets)


@broken_by(status(302, LOGIN, only=303))
def test_appendix_b_the_way_back_is_a_303(visitor: Browser) -> None:
    assert visitor.sign_in("12345", PASSWORD, service=APP).status_code == 303


@broken_by(
    says(".+", "private", LOGIN, "Cache-Control"), says(".+", "", LOGIN, "Pragma"), says(".+", "", LOGIN, "Expires")
)
def test_appendix_b_an_answer_with_a_ticket_is_kept_nowhere(signed_in: Browser) -> None:
    answer = signed_in.open(LOGIN, service=APP)

    assert answer.headers.get("Cache-Control") == "no-store"
    assert answer.headers.get("Pragma") == "no-cache"
    assert answer.headers.get("Expires") == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_the_page_may_send_its_form_on_to_the_application_only(visitor: Browser) -> None:
    policy = visitor.open("/cas/login", service=APP).headers["Content-Security-Policy"]

    assert "form-action 'self' http://127.0.0.1:9000;" in policy


def test_the_language_switch_keeps_the_service_after_a_failed_try(visitor: Browser) -> None:
    page = visitor.open("/cas/login", service=APP).text
    action = re.search(r'<form method="post" action="([^"]+)"', page)
    assert action is not None

    answer = visitor.client.post(
        action[1].replace("&amp;", "&"), data={**hidden_fields(page), "username": "12345", "password": "wrong"}
    )

    assert answer.status_code == 401
    assert "service=http%3A%2F%2F127.0.0.1%3A9000%2Fapp&amp;lang=en" in answer.text


@broken_by(forgets_the_session())
def test_2_1_1_without_service_a_session_is_told_who_it_is(signed_in: Browser) -> None:
    page = signed_in.open("/cas/login", lang="en").text

    assert "You are signed in" in page
    assert "Żaneta Źdźbło-Ćwik" in page
    assert "/cas/logout" in page


@broken_by(ignores("renew"))
def test_2_1_1_renew_asks_for_the_password_again(signed_in: Browser) -> None:
    assert 'name="password"' in signed_in.open("/cas/login", service=APP, renew="true").text


@broken_by(gateway_wins_over_renew())
def test_2_1_1_renew_wins_over_gateway(visitor: Browser, signed_in: Browser) -> None:
    assert 'name="password"' in signed_in.open("/cas/login", service=APP, renew="true", gateway="true").text


@broken_by(ignores("gateway"), says("$", "?ticket=ST-X", LOGIN, "Location"))
def test_2_1_1_gateway_without_a_session_leads_back_without_a_ticket(visitor: Browser) -> None:
    answer = visitor.open("/cas/login", service=APP, gateway="true")

    assert answer.status_code in (302, 303)
    assert answer.headers["Location"] == APP


@broken_by(forgets_the_session())
def test_2_1_1_gateway_with_a_session_leads_back_with_a_ticket(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/login", service=APP, gateway="true")

    assert answer.headers.get("Location", "").startswith(f"{APP}?ticket=ST-")


@broken_by(HIDES_THE_FORM)
def test_2_1_1_gateway_without_service_asks_for_credentials(visitor: Browser) -> None:
    assert 'name="password"' in visitor.open("/cas/login", gateway="true").text


@broken_by(ignores("method"))
def test_2_1_1_method_post_hands_the_ticket_over_in_a_form(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/login", service=APP, method="POST")

    assert f'action="{APP}"' in answer.text
    assert hidden_fields(answer.text).get("ticket", "").startswith("ST-")
    assert "form-action 'self' http://127.0.0.1:9000;" in answer.headers["Content-Security-Policy"]
    with signed_in.open("/static/ticket.js") as script:
        assert script.status_code == 200


@broken_by(ignores("method"))
def test_2_1_1_method_header_hands_the_ticket_over_in_headers(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/login", service=APP, method="HEADER")

    assert (answer.status_code, answer.headers.get("service")) == (200, APP)
    assert answer.headers["ticket"].startswith("ST-")


@broken_by(ignores("warn"))
def test_2_2_1_after_warn_no_sign_on_is_silent(visitor: Browser) -> None:
    assert ticket_in(visitor.sign_in("12345", PASSWORD, {"warn": "true"}, service=APP))  # the password was just given

    page = visitor.open("/cas/login", service=APP, lang="en")

    assert page.status_code == 200
    assert "Registered on this machine" in page.text
    assert "127.0.0.1" in page.text
    answer = visitor.client.post("/cas/login", data=hidden_fields(page.text))
    assert ticket_in(answer)
    repeated = visitor.client.post("/cas/login", data=hidden_fields(page.text))
    assert repeated.status_code == 200  # the warning again: its form was good once
    assert "proceed" in repeated.text


@broken_by(status(307, LOGIN, only=303), says("$", "&password=x", LOGIN, "Location"))
def test_2_2_4_the_way_back_is_a_get_and_carries_no_credentials(visitor: Browser) -> None:
    answer = visitor.sign_in("12345", PASSWORD, service=APP)

    assert answer.status_code == 303
    assert set(parse_qs(urlsplit(answer.headers["Location"]).query)) == {"ticket"}
    assert PASSWORD not in str(answer.headers)


@pytest.mark.parametrize(
    "service",
    [
        APP,
        "http://localhost:9000/?next=%2Fa%252Fb&x=%3a",
        "http://127.0.0.1:9000/kontroler.php?_action=logowaniecas/index&callback=aHR0cDov%3D01",
        "http://127.0.0.1:9000/app?ticket=ST-old",
    ],
)
@broken_by(says(":9000", ":9000/x", LOGIN, "Location"))
def test_2_1_1_the_service_is_decoded_once_and_its_bytes_stay(signed_in: Browser, service: str) -> None:
    answer = signed_in.open("/cas/login", service=service)

    assert answer.headers["Location"] == with_ticket(service, ticket_in(answer))


@pytest.mark.parametrize(
    "service",
    [
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "http://127.0.0.1@evil.example/",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1:9000/\r\nX-Evil: 1",
        "http://127.0.0.1@evil.example/#@127.0.0.1:9000/",
        "http://127.0.0.1:9000//evil.example",
        "http://192.168.0.1/",
    ],
)
@pytest.mark.parametrize("gateway", ["", "true"])
@broken_by(follows("service", LOGIN))
def test_2_2_1_an_address_that_nobody_registered_leads_nowhere(signed_in: Browser, service: str, gateway: str) -> None:
    query = {"service": service} | ({"gateway": gateway} if gateway else {})

    answer = signed_in.client.get("/cas/login", query_string=query)

    assert answer.status_code == 403
    assert "Location" not in answer.headers
    assert "://evil" not in answer.text
    assert "javascript:" not in answer.text


def test_two_services_are_refused(signed_in: Browser) -> None:
    answer = signed_in.client.get("/cas/login?service=http://127.0.0.1/a&service=http://127.0.0.1/b")

    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_an_application_that_needs_a_mail_name_says_so_before_any_ticket(sign_on: SignOn, signed_in: Browser) -> None:
    sign_on.register(
        "mailer",
        """
id = "mailer"
name = { pl = "Poczta", en = "Mailer" }
owner = "tests"
principal = "mail"
[[url]]
host = "mailer.example"
path_prefix = "/"
""",
    )
    answer = signed_in.open("/cas/login", service="https://mailer.example/", lang="en")

    assert answer.status_code == 403
    assert "Mailer identifies people by e-mail address" in answer.text
