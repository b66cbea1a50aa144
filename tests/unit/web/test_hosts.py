"""Only requests that name this service as their host are answered."""

import pytest
from flask.testing import FlaskClient

from idp.web.settings import WebSettings
from tests.support.pages import Build


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:8080", "evil.example:80", ""])
@pytest.mark.parametrize("path", ["/", "//sign-in", "/nothing-here"])
def test_a_foreign_host_is_refused_and_never_repeated(client: FlaskClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "evil.example" not in answer.text
    assert 'href="http://localhost/"' in answer.text


def test_a_program_is_told_the_reason(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Host": "evil.example", "Accept": "application/json"})

    assert answer.get_json()["code"] == "foreign_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost:80"])
def test_the_own_host_is_taken_in_any_case_and_with_its_usual_port(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"), [("id.example", 200), ("id.example:443", 200), ("id.internal:8443", 200), ("id.internal", 400)]
)
def test_further_hosts_are_a_setting(build: Build, host: str, status: int) -> None:
    client = build(WebSettings(base_url="https://id.example", trusted_hosts=["id.internal:8443"])).test_client()

    assert client.get("/", base_url=f"https://{host}").status_code == status


def test_a_probe_may_ask_by_any_address(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"Host": "10.0.0.7:8080"}).status_code == 200
