"""What people and programs see when something goes wrong."""

import pytest
from flask.testing import FlaskClient

from idp import errors
from idp.web.failures import status_of
from idp.web.languages import LANGUAGES
from tests.support.hostile import HOSTILE
from tests.support.pages import Build, csrf_token

STATUSES = (400, 403, 404, 405, 409, 413, 422, 429, 500, 502, 503)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("InvalidAlbum", 400),
        ("InvalidInput", 400),
        ("InputTooLong", 413),
        ("BadCredentials", 403),
        ("NotAllowed", 403),
        ("TooManyAttempts", 429),
        ("NotFound", 404),
        ("AliasTaken", 409),
        ("StaleVersion", 409),
        ("UnsafePlan", 409),
        ("RefusedSource", 422),
        ("StoreUnavailable", 503),
        ("TargetUnavailable", 503),
        ("TargetRejected", 502),
        ("ConfigError", 500),
    ],
)
def test_each_of_our_errors_has_its_status(client: FlaskClient, name: str, status: int) -> None:
    answer = client.get(f"/fails/{name}")

    assert answer.status_code == status
    assert "stays inside" not in answer.text


def test_every_error_of_the_tree_finds_a_status() -> None:
    found: list[type[errors.IdpError]] = [errors.IdpError]
    for kind in found:
        found += kind.__subclasses__()
        assert 400 <= status_of(kind) <= 599


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failure_page_says_what_to_do_next_in_either_language(
    client: FlaskClient, status: int, language: str
) -> None:
    answer = client.get(f"/aborts/{status}?lang={language}")

    assert answer.status_code == status
    assert f'<html lang="{language}">' in answer.text
    assert answer.text.count("<h1>") == 1
    assert answer.headers["X-Request-Id"] in answer.text


def test_the_polish_failure_page_is_polish(client: FlaskClient) -> None:
    assert "Nie znaleziono strony" in client.get("/nothing-here?lang=pl").text


JSON = {"Accept": "application/json"}


def test_a_program_gets_problem_json(client: FlaskClient) -> None:
    answer = client.get("/fails/TooManyAttempts", headers=JSON)

    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["status"] == 429
    assert answer.json["code"] == "too_many_attempts"
    assert answer.json["correlation_id"] == answer.headers["X-Request-Id"]


def test_a_client_without_a_wish_gets_a_page(client: FlaskClient) -> None:
    assert client.get("/nothing-here", headers={"Accept": "*/*"}).content_type.startswith("text/html")
    assert client.get("/nothing-here").content_type.startswith("text/html")


@pytest.mark.parametrize(("name", "seconds"), [("TooManyAttempts", "60"), ("TargetUnavailable", "10")])
def test_an_answer_that_may_succeed_later_says_when_to_retry(client: FlaskClient, name: str, seconds: str) -> None:
    assert client.get(f"/fails/{name}").headers["Retry-After"] == seconds


def test_the_wrong_method_is_told_the_right_one(client: FlaskClient) -> None:
    answer = client.get("/post-only")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_bug_gives_a_page_without_its_details(build: Build) -> None:
    app = build()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = app.test_client().get("/breaks")

    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_a_request_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert client.post("/program", data={"x": "y" * 300_000}).status_code in (200, 413)
    assert client.post("/form", data={"x": "y" * 300_000}).status_code == 413


def test_an_over_long_field_is_refused_before_the_form_is_looked_at(client: FlaskClient) -> None:
    answer = client.post("/form", data={"username": HOSTILE}, headers={"Accept": "application/json"})

    assert answer.status_code == 413
    assert answer.get_json()["code"] == "too_long"
    assert client.post("/form", data={"y" * 5000: "x"}).status_code == 413


def test_a_form_without_its_token_is_refused_and_shows_the_way_back(client: FlaskClient) -> None:
    answer = client.post("/form?service=a%26b", data={"x": "y"})

    assert answer.status_code == 400
    assert "no longer valid" in answer.text
    assert 'href="/form?service=a%26b"' in answer.text
    assert 'href="/named/a%3Fb"' in client.post("/named/a%3Fb").text


def test_a_refused_form_leads_back_to_its_page_whose_get_is_another_rule(client: FlaskClient) -> None:
    assert 'href="/two-rules?a=b"' in client.post("/two-rules?a=b", data={"x": "y"}).text


def test_a_form_of_a_page_that_cannot_be_opened_leads_to_the_front_page(client: FlaskClient) -> None:
    answer = client.post("/post-only")

    assert answer.status_code == 400
    assert 'href="/post-only' not in answer.text
    assert 'href="/"' in answer.text


def test_a_form_with_its_token_is_taken(client: FlaskClient) -> None:
    assert client.post("/form", data={"x": "y", "csrf_token": csrf_token(client)}).text == "taken y"


def test_a_token_of_another_browser_is_refused(client: FlaskClient, build: Build) -> None:
    client.get("/")
    stolen = csrf_token(build().test_client())

    assert client.post("/form", data={"csrf_token": stolen}).status_code == 400


def test_a_view_for_programs_may_be_exempt(client: FlaskClient) -> None:
    assert client.post("/program").text == "taken"


def _without_number(problem: dict[str, object] | None) -> dict[str, object]:
    assert problem is not None
    return {name: value for name, value in problem.items() if name != "correlation_id"}
