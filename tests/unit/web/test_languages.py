"""Which language a page speaks."""

import pytest
from flask.testing import FlaskClient

from idp.web.languages import text_in
from idp.web.settings import UniversitySettings
from tests.support.pages import Build, csrf_token


def test_a_choice_is_remembered(client: FlaskClient) -> None:
    assert '<html lang="pl">' in client.get("/?lang=pl").text
    assert '<html lang="pl">' in client.get("/").text
    assert '<html lang="en">' in client.get("/?lang=en").text


def test_without_a_choice_the_browser_decides(client: FlaskClient) -> None:
    assert '<html lang="pl">' in client.get("/", headers={"Accept-Language": "de, pl;q=0.8, en;q=0.5"}).text
    assert '<html lang="en">' in client.get("/", headers={"Accept-Language": "en-GB"}).text


@pytest.mark.parametrize("default", ["pl", "en"])
def test_a_browser_that_speaks_neither_gets_the_default(build: Build, default: str) -> None:
    client = build(university=UniversitySettings(default_language=default)).test_client()

    assert f'<html lang="{default}">' in client.get("/", headers={"Accept-Language": "uk"}).text
    assert f'<html lang="{default}">' in client.get("/").text


def test_an_application_may_name_its_language_but_a_choice_wins(client: FlaskClient) -> None:
    assert '<html lang="pl">' in client.get("/?locale=pl").text
    assert '<html lang="en">' in client.get("/").text
    client.get("/?lang=en")
    assert '<html lang="en">' in client.get("/?locale=pl").text


def test_an_unknown_language_changes_nothing(client: FlaskClient) -> None:
    answer = client.get("/?lang=xx%0d%0aSet-Cookie:a=b")

    assert '<html lang="en">' in answer.text
    assert not any("idp_language" in cookie for cookie in answer.headers.getlist("Set-Cookie"))


def test_the_switch_keeps_the_rest_of_the_address(client: FlaskClient) -> None:
    page = client.get("/sign-in?service=https%3A%2F%2Fx.example%2F%3Fa%26b&lang=en").text

    assert 'href="/sign-in?service=https%3A%2F%2Fx.example%2F%3Fa%26b&amp;lang=pl"' in page


def test_the_switch_of_an_answered_form_leads_to_the_form(client: FlaskClient) -> None:
    fields = {"csrf_token": csrf_token(client)}
    answer = client.post("/two-rules?service=a%26b", data=fields)

    assert answer.status_code == 422
    assert 'href="/two-rules?service=a%26b&amp;lang=pl"' in answer.text


def test_the_switch_of_a_page_that_answers_no_get_leads_to_the_front(client: FlaskClient) -> None:
    assert 'href="/?lang=pl"' in client.post("/post-only").text


@pytest.mark.parametrize("path", ["/%5Cevil.example/x", "/%09/evil.example/x", "/%2Fevil.example/x", "/nothing-here"])
def test_the_switch_of_a_page_that_is_not_there_leads_to_the_front_and_to_no_other_site(
    client: FlaskClient, path: str
) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert 'href="/?lang=pl"' in answer.text
    assert "evil" not in answer.text


@pytest.mark.parametrize("path", ["/named/a%3Fb", "/named/a%23b", "/named/a%5Cb", "/named/%C5%82"])
def test_the_switch_keeps_what_is_escaped_in_the_path(client: FlaskClient, path: str) -> None:
    assert f'href="{path}?lang=pl"' in client.get(path).text


def test_messages_are_escaped_and_have_a_role(client: FlaskClient) -> None:
    page = client.get("/flash", follow_redirects=True).text

    assert "Saved &lt;b&gt;it&lt;/b&gt;." in page
    assert 'role="status"' in page


def test_a_text_that_a_university_did_not_translate_appears_in_the_default_language() -> None:
    assert text_in({"pl": "Politechnika"}, "en", "pl") == "Politechnika"
    assert text_in({"de": "Hochschule"}, "en", "pl") == "Hochschule"
    assert text_in({}, "en", "pl") == ""
